"""What a base URL may look like. Pure: a name's addresses are handed in."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final
from urllib.parse import urlsplit

from app.domain.errors import InvalidRequest

MOST: Final = 2_000
_NAMES: Final = ("metadata.google.internal", "metadata.goog", "metadata", "instance-data")
#: Where clouds tell a machine its own secrets: nothing that serves models stands there.
_NETWORKS: Final = tuple(
    ipaddress.ip_network(text)
    for text in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "100.100.100.200/32", "168.63.129.16/32",
                 "fd20:ce::254/128", "192.0.0.192/32")
)  # fmt: skip
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_6TO4: Final = ipaddress.ip_network("2002::/16")


def checked_base_url(text: str) -> str:
    """A base URL without a slash at its end. Raises InvalidRequest naming `base_url`."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise _wrong("is no URL") from None
    if parts.scheme not in ("http", "https") or not host or not text.isascii() or len(text) > MOST:
        raise _wrong("must be an http or https URL")
    if (
        parts.username is not None
        or parts.query
        or parts.fragment
        or "\\" in text
        or not text.isprintable()
        or " " in text
    ):
        raise _wrong("takes no user, query, fragment or odd characters")
    name = host.rstrip(".").lower()
    if name in _NAMES or any(name.endswith(f".{known}") for known in _NAMES[:2]) or is_metadata(name):
        raise _wrong("leads to an address where no model is")
    return text.rstrip("/")


def origin(base_url: str) -> str:
    """Scheme, host and port: what a key was given for."""
    parts = urlsplit(base_url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"{parts.scheme}://{(parts.hostname or '').rstrip('.').lower()}:{port}"


def is_metadata(address: str) -> bool:
    """Whether this address, in any spelling that sockets take, is one of a cloud's metadata. A name is not."""
    found = _address(address)
    return found is not None and any(found in network for network in _NETWORKS if network.version == found.version)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(text))  # 2852039166, 0xa9fea9fe, 0251.0376.0251.0376
        except OSError:
            return None
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or (ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if found in _NAT64 else None)
        if inner is None and found in _6TO4:
            inner = ipaddress.IPv4Address((int(found) >> 80) & 0xFFFFFFFF)
        return inner or found
    return found


def _wrong(what: str) -> InvalidRequest:
    return InvalidRequest(f"base_url {what}.", field="base_url")
