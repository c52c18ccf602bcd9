"""Who the caller is behind proxies that we trust."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

log = logging.getLogger(__name__)

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_HEADERS = (
    "HTTP_X_FORWARDED_FOR",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_FORWARDED",
    "HTTP_X_REAL_IP",
)
_MOST_HOPS = 64


class Forwarding:
    """trusted: addresses of proxies whose X-Forwarded-For, -Proto and -Host are believed; all others' are ignored."""

    def __init__(self, trusted: Sequence[Network]) -> None:
        self._trusted = tuple(trusted)
        self._is_trusted = lru_cache(4096)(self._in_networks)
        self._warned = False

    def apply(self, environ: WSGIEnvironment) -> None:
        """Where a trusted proxy sends it, set REMOTE_ADDR, scheme and host to what the caller used."""
        for header in _HEADERS:
            if header in environ:
                break
        else:
            return
        peer = environ.get("REMOTE_ADDR", "")
        if self._is_trusted(peer):
            self._believe(environ, peer)
        elif not self._warned:
            self._warned = True
            log.warning("a forwarding header from %s is ignored: it is not in TRUSTED_PROXIES", peer)

    def _believe(self, environ: WSGIEnvironment, peer: str) -> None:
        environ["REMOTE_ADDR"] = self._caller(environ.get("HTTP_X_FORWARDED_FOR", ""), peer)
        scheme = _last(environ.get("HTTP_X_FORWARDED_PROTO", "")).lower()
        if scheme in ("http", "https"):
            environ["wsgi.url_scheme"] = scheme
        if host := _last(environ.get("HTTP_X_FORWARDED_HOST", "")):
            environ["HTTP_HOST"] = host

    def _caller(self, chain: str, peer: str) -> str:
        """The rightmost address that is no proxy of ours; what stands left of it anybody could have written."""
        caller = peer
        for hop in reversed(chain.rsplit(",", _MOST_HOPS)[-_MOST_HOPS:]):
            address = _address(hop)
            if address is None:
                break
            caller = address
            if not self._is_trusted(address):
                break
        return caller

    def _in_networks(self, text: str) -> bool:
        address = _parsed(text)
        return address is not None and any(address in network for network in self._trusted)


def _last(chain: str) -> str:
    return chain.rpartition(",")[2].strip()


def _address(hop: str) -> str | None:
    """The address of one hop, without a port: 10.0.0.1, 10.0.0.1:5, ::1, [::1]:5; None for anything else."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    address = _parsed(text)
    return None if address is None else str(address)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # A socket that listens at :: sees IPv4 peers as ::ffff:a.b.c.d.
    return getattr(address, "ipv4_mapped", None) or address
