"""How the text of a setting becomes a value. A kind raises ValueError with words that follow "NAME: "."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

Kind = Callable[[str], object]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NANO = 10**9
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,18})?")
_HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
_FLAGS = dict.fromkeys(("true", "1", "yes", "on"), True) | dict.fromkeys(("false", "0", "no", "off"), False)
_POSTGRES = ("postgres", "postgresql", "postgresql+psycopg")
_EXAMPLES: tuple[str, ...] = (
    "changeme",
    "changethis",
    "yoursecret",
    "yourkey",
    "supersecret",
    "secretkeyhere",
    "replaceme",
)
_EXAMPLES += ("your256bit", "djangoinsecure", "notsosecret", "examplesecret", "thisisasecret", "devsecret")
_PLACEHOLDER = re.compile(
    r"<.*>|\$\{?\w+\}?|\.{3,}|…|x{3,}|(your|my|insert|enter|put)[-_ ].*|change[-_ ]?me|sk-(\.{3}|…|x+)", re.I
)

EMBEDDED = "wordllama-256"
#: Providers that speak OpenAI's `/embeddings`.
EMBEDDERS = ("openai", "groq", "grok", "ollama", "ngrok")


def text(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be printable text on one line")
    return value


def folder(value: str) -> Path:
    return Path(text(value))


def flag(value: str) -> bool:
    try:
        return _FLAGS[value.lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not _WHOLE.fullmatch(value) or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    def parse(value: str) -> float:
        if not _NUMBER.fullmatch(value) or not low <= float(value) <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}")
        return float(value)

    return parse


def choice(*words: str) -> Callable[[str], str]:
    known = {word.lower(): word for word in words}

    def parse(value: str) -> str:
        if value.lower() not in known:
            raise ValueError("must be one of " + ", ".join(words))
        return known[value.lower()]

    return parse


def usd(value: str) -> int:
    """An amount in USD as whole nano-USD, 0 to 9,000,000 USD."""
    nano = Decimal(value) * NANO if _NUMBER.fullmatch(value) else Decimal(-1)
    if not 0 <= nano <= 9_000_000 * NANO or nano != int(nano):
        raise ValueError("must be an amount in USD from 0 to 9000000, at most nine decimals")
    return int(nano)


def listed(kind: Kind) -> Callable[[str], tuple[object, ...]]:
    """Several of a kind, with commas between them."""

    def parse(value: str) -> tuple[object, ...]:
        return tuple(kind(part.strip()) for part in value.split(",") if part.strip())

    return parse


def network(value: str) -> Network:
    try:
        return ipaddress.ip_network(value)
    except ValueError:
        raise ValueError("must be IP addresses or networks (10.0.0.0/8), commas between them") from None


def bind_host(value: str) -> str:
    """An address or a name to listen at."""
    if not _is_address(value) and not _HOST.fullmatch(value):
        raise ValueError("must be an address or a host name")
    return value


def host_pattern(value: str) -> str:
    """`host`, `*.host`, `host:port`; lower case."""
    name, colon, port = value.rpartition(":") if not value.endswith("]") else (value, "", "")
    name = name if colon else value
    bare = name.removeprefix("*.")
    good_port = not colon or (port.isascii() and port.isdigit() and 0 < int(port) < 65536)
    if not good_port or not (_HOST.fullmatch(bare) or (bare.startswith("[") and _is_address(bare[1:-1]))):
        raise ValueError("must be hosts (name, *.name, name:port) with commas between them")
    return value.lower()


def origin(value: str) -> str:
    if value == "*":
        return value
    parts = _split(value)
    whole_origin = parts is not None and value == f"{parts.scheme}://{parts.netloc}"
    if parts is None or parts.scheme not in ("http", "https") or not whole_origin or "@" in value:
        raise ValueError("must be origins (https://app.example) or *, with commas between them")
    return value.lower()


def url(*schemes: str, user: bool = False) -> Callable[[str], str]:
    """A URL of one of these schemes, without a slash at its end; user: may hold a name and a password."""

    def parse(value: str) -> str:
        parts = _split(value)
        if parts is None or parts.scheme not in schemes or not parts.hostname or " " in value:
            raise ValueError("must be a URL that begins with " + " or ".join(f"{word}://" for word in schemes))
        if not user and "@" in parts.netloc:
            raise ValueError("must not hold a user name or a password")
        return value.rstrip("/")

    return parse


def database_url(value: str) -> str:
    """SQLite or PostgreSQL; a bare `postgresql://` comes back naming the driver that is installed."""
    scheme, _, rest = value.partition("://")
    if scheme in _POSTGRES and rest and _split(f"postgresql://{rest}") is not None:
        return f"postgresql+psycopg://{rest}"
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1 and rest.isprintable():
        return value
    raise ValueError("must begin with sqlite:/// or postgresql:// and name a database")


def files_url(value: str) -> str:
    """A folder, or s3://bucket/prefix?endpoint=…"""
    if "://" not in value:
        return text(value)
    parts = _split(value)
    if parts is None or parts.scheme != "s3" or not parts.hostname or "@" in parts.netloc:
        raise ValueError("must be a folder or s3://bucket/prefix?endpoint=https://…")
    if parts.query and not re.fullmatch(r"endpoint=https?(?:://|%3[Aa]%2[Ff]%2[Ff])[^&#@\s]+", parts.query):
        raise ValueError("may have an endpoint beside bucket and prefix, and that is a URL: ?endpoint=https://…")
    return value


def signing_secret(value: str) -> str:
    plain = re.sub(r"[^a-z0-9]", "", value.lower())
    if any(example in plain for example in _EXAMPLES) or _PLACEHOLDER.fullmatch(value):
        raise ValueError("is a known example; leave it out and one is made, or give 32 random bytes or more")
    if len(value.encode("utf-8", "replace")) < 32:
        raise ValueError("must have 32 bytes or more; leave it out and one is made")
    if len(set(value)) < 8:
        raise ValueError("is too regular to be a secret")
    return text(value)


def api_key(value: str) -> str:
    """A key that goes into a header."""
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("must be printable ASCII without spaces")
    if _PLACEHOLDER.fullmatch(value):
        raise ValueError("is a placeholder; give the key or leave it out")
    return value


def model_name(value: str) -> str:
    if not value.isprintable() or " " in value or len(value) > 200:
        raise ValueError("must be a model's name, at most 200 characters without spaces")
    return value


def embedder(value: str) -> str:
    integration, slash, name = model_name(value).partition("/")
    if value != EMBEDDED and not (slash and name and integration in EMBEDDERS):
        raise ValueError(f"must be {EMBEDDED}, or NAME of a provider as {'/NAME, '.join(EMBEDDERS)}/NAME")
    return value


def user_name(value: str) -> str:
    if not value.isprintable() or len(value) > 64 or set(value) & set("/@") or value.casefold() == "guest":
        raise ValueError("must be 1 to 64 printable characters without / and @, and not guest")
    return value


def password(value: str) -> str:
    if len(value.encode("utf-8", "replace")) > 1024 or not value.isprintable():
        raise ValueError("must be printable, at most 1024 bytes")
    return value


def _split(value: str) -> SplitResult | None:
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - raises where the port is no number
    except ValueError:
        return None
    return parts if value.isprintable() else None


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True
