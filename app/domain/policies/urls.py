"""URLs that others give, read once: what comes out builds the connection, so that nobody reads them differently.

Stricter than RFC 3986 and the URL standard: what their readers disagree on is refused.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, urlencode, urljoin

from app.domain.errors import InvalidRequest

MOST: Final = 8_192
PORTS: Final = {"http": 80, "https": 443}
_SHAPE = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[^\[\]/?#@]*\]|[^\[\]/?#@:]+)(?::(?P<port>[0-9]{0,5}))?(?P<rest>[/?#].*)?",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
#: What IDNA of 2003 and of 2008 read differently; who means them writes the name's xn-- form.
_DISPUTED = frozenset("ßẞς\u200c\u200d")
_SAFE = "/%:@!$&'()*+,;=~"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. scheme: http or https. host: a name in lower case and ASCII without a dot at its end, or
    an IP address without brackets. path: the request target, with its query."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """As the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"

    def with_params(self, params: Sequence[tuple[str, str]]) -> Target:
        """The same with these after the query that it has."""
        if not params:
            return self
        return replace(self, path=self.path + ("&" if "?" in self.path else "?") + urlencode(params))


def parse(text: str, field: str = "url") -> Target:
    """Raises InvalidRequest naming the field."""
    _check_characters(text, field)
    found = _SHAPE.fullmatch(text)
    if found is None:
        raise _wrong("must be an http or https URL with a host and without a user", field)
    scheme = found["scheme"].lower()
    port = int(found["port"]) if found["port"] else PORTS[scheme]
    if not 0 < port < 65_536:
        raise _wrong("has a port that is none", field)
    return Target(scheme, _host(found["host"], field), port, _path(found["rest"] or ""))


def follow(base: Target, location: str) -> Target:
    """Where a Location header leads from there. Raises InvalidRequest."""
    try:
        location = location.encode("latin-1").decode()  # headers come as Latin-1, whatever they are
    except UnicodeError:
        raise _wrong("is not UTF-8", "location") from None
    _check_characters(location, "location")
    if _SCHEME.match(location):
        return parse(location, "location")
    if location.startswith("//"):
        return parse(f"{base.scheme}:{location}", "location")
    return parse(urljoin(base.url, location), "location")


def check_fetchable(target: Target, field: str, schemes: Collection[str] = ("http", "https")) -> None:
    """Raises InvalidRequest where nothing is fetched: another scheme, or a port that is not the web's."""
    if target.scheme not in schemes:
        raise _wrong(f"must begin with {' or '.join(schemes)}", field)
    if target.port not in PORTS.values():
        raise _wrong("must go to port 80 or 443", field)


def _check_characters(text: str, field: str) -> None:
    if len(text) > MOST:
        raise _wrong(f"has more than {MOST} characters", field)
    if "\\" in text or not text.isprintable() or any(char.isspace() for char in text):
        raise _wrong("holds a space, a backslash or a character that nobody sees", field)


def _host(text: str, field: str) -> str:
    if text.startswith("["):
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError:
            raise _wrong("has an IPv6 address that is none", field) from None
    if not _DISPUTED.isdisjoint(text):
        raise _wrong("has a name that is read in two ways: write its xn-- form", field)
    try:
        name = text.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        name = ""
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise _wrong("has a host that is none", field)
    return name


def _path(rest: str) -> str:
    path, mark, query = rest.partition("#")[0].partition("?")
    return (quote(path, safe=_SAFE) or "/") + mark + quote(query, safe=_SAFE + "?")


def _wrong(what: str, field: str) -> InvalidRequest:
    return InvalidRequest(f"{field} {what}.", field=field)
