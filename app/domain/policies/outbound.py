"""Which hosts may be called on a caller's behalf, and with which headers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from typing import Final

from app.domain.errors import Forbidden, InvalidRequest
from app.domain.policies.urls import PORTS, Target

MAX_HEADERS: Final = 64
MAX_HEADER_BYTES: Final = 16_384
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
#: They are about the connection, which is ours, or say who is calling.
_OURS = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "forwarded",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
        "x-real-ip",
    }
)
_OUR_PREFIXES = ("proxy-", "x-forwarded-")


class AllowList:
    """patterns: `host`, or `*.host` for the names below it; with `:port` for that port instead of 80 and 443."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._rows = [_row(pattern) for pattern in patterns]

    def check(self, target: Target) -> None:
        """Raises InvalidRequest at a port that may not be called there, Forbidden at a host that is not listed."""
        ports = [port for host, port in self._rows if _matches(host, target.host)]
        usual = target.port in PORTS.values()
        if target.port in ports or (usual and None in ports):
            return
        if not usual:
            raise InvalidRequest("url must go to port 80 or 443, or to one that is listed for its host.", field="url")
        raise Forbidden(
            "This host is not on the list of those that may be called.", field="url", details={"reason": "host"}
        )


def check_headers(headers: Mapping[str, str], own_token: str | None) -> dict[str, str]:
    """What may be sent of them. Raises InvalidRequest naming the header."""
    if len(headers) > MAX_HEADERS:
        raise InvalidRequest(f"headers has more than {MAX_HEADERS} of them.", field="headers")
    if sum(len(name) + len(value) for name, value in headers.items()) > MAX_HEADER_BYTES:
        raise InvalidRequest(f"headers is larger than {MAX_HEADER_BYTES} bytes.", field="headers")
    kept: dict[str, str] = {}
    seen: set[str] = set()
    for name, value in headers.items():
        lower = name.lower()
        if not _NAME.fullmatch(name):
            raise _wrong(name, "has a name that is none")
        if lower in _OURS or lower.startswith(_OUR_PREFIXES):
            raise _wrong(name, "is not for callers to set")
        if not _VALUE.fullmatch(value):
            raise _wrong(name, "has a value with characters that no header has")
        if own_token and own_token in value:
            raise _wrong(name, "holds your token to this service, which goes to nobody else")
        if lower in seen:
            raise _wrong(name, "is there twice")
        seen.add(lower)
        kept[name] = value.strip(" \t")
    return kept


def _row(pattern: str) -> tuple[str, int | None]:
    host, port = pattern.lower(), None
    name, colon, digits = host.rpartition(":")
    if colon and digits.isdigit() and (not host.startswith("[") or name.endswith("]")):
        host, port = name, int(digits)
    if host.startswith("["):
        return str(ipaddress.IPv6Address(host[1:-1])), port
    return host.removesuffix("."), port


def _matches(pattern: str, host: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _wrong(name: str, what: str) -> InvalidRequest:
    shown = name[:64].encode("ascii", "backslashreplace").decode()
    return InvalidRequest(f"The header {shown!r} {what}.", field=f"headers.{shown}")
