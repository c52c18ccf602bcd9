"""Which addresses are public, and what a base URL may look like. Pure: a name's addresses are handed in."""

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
#: IANA's special-purpose registries, multicast, what is reserved, and a cloud's own host. Not `is_global`: Python
#: 3.11 calls a dozen of these global.
_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32", "2001::/23", "2001:db8::/32", "3fff::/20",
    )
)  # fmt: skip
_UNICAST: Final = ipaddress.ip_network("2000::/3")
_HOME: Final = ("localhost", "local", "internal", "home.arpa")


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


def is_public(address: str) -> bool:
    """Whether this address, as a look-up gives it, is one of the public internet; an IPv4 within an IPv6 is what
    counts."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = _ipv4_inside(found)
        if found.scope_id is not None or (inner is None and found not in _UNICAST):
            return False
        found = inner or found
    return not any(found in network for network in _NOT_PUBLIC if network.version == found.version)


def is_home(host: str) -> bool:
    """Whether a name (lower case, no dot at its end) means this machine or its neighbours whatever a look-up says."""
    return ("." not in host and ":" not in host) or host.endswith(tuple(f".{name}" for name in _HOME))


def _ipv4_inside(found: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if found in _6TO4:
        return ipaddress.IPv4Address((int(found) >> 80) & 0xFFFFFFFF)
    return found.ipv4_mapped or (ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if found in _NAT64 else None)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(text))  # 2852039166, 0xa9fea9fe, 0251.0376.0251.0376
        except OSError:
            return None
    return (_ipv4_inside(found) if isinstance(found, ipaddress.IPv6Address) else None) or found


def _wrong(what: str) -> InvalidRequest:
    return InvalidRequest(f"base_url {what}.", field="base_url")
