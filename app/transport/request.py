"""A request as bytes: what HTTP/1.1 needs around what the caller gave."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from app.domain.errors import ProviderFault

# Cloudflare's hosts turn away who does not say what they are; bytes that we would have to unpack help nobody.
_ALWAYS = "User-Agent: onedoor\r\nAccept-Encoding: identity\r\n"
_PATH_SAFE = "/%:@!$&'()*+,;=~"


class Origin(NamedTuple):
    """Where connections may be shared."""

    scheme: str
    host: str
    port: int


@lru_cache(maxsize=1024)
def split(url: str) -> tuple[Origin, str, str]:
    """Origin, Host header and request target of an absolute URL. Raises ProviderFault(connect)."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode("ascii")
        port = parts.port
    except ValueError:
        raise _unfit("its URL cannot be read") from None
    if parts.scheme not in ("http", "https") or not host or not host.isprintable() or " " in host:
        raise _unfit("its URL is no http or https URL")
    default = 443 if parts.scheme == "https" else 80
    shown = f"[{host}]" if ":" in host else host
    if port not in (None, default):
        shown += f":{port}"
    target = quote(parts.path or "/", safe=_PATH_SAFE)
    if parts.query:
        target += "?" + quote(parts.query, safe=_PATH_SAFE + "?")
    return Origin(parts.scheme, host, port or default), shown, target


def head(method: str, host: str, target: str, headers: Mapping[str, str], length: int) -> bytes:
    """The request line and the headers. Raises ProviderFault(connect) where one of them would break out of its line."""
    lines = [f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n{_ALWAYS}"]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    lines.append(f"Content-Length: {length}\r\n\r\n")
    text = "".join(lines)
    ends = len(headers) + 6
    if text.count("\n") != ends or text.count("\r") != ends or "\0" in text:
        raise _unfit("a header holds a line end")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise _unfit("a header is not Latin-1") from None


def _unfit(reason: str) -> ProviderFault:
    return ProviderFault("connect", f"the request to the provider cannot be written: {reason}", sent=False)
