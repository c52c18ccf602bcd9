"""Requests to URLs that others gave: looked up once, every address checked, connected to what was checked.

Whoever sends us elsewhere than to the public internet gets nothing there, not even a packet.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gevent import socket
from gevent.lock import BoundedSemaphore

from app.domain.errors import (
    DomainError,
    Forbidden,
    Overloaded,
    ProviderFault,
    TooLarge,
    UpstreamFailed,
    UpstreamTimeout,
)
from app.domain.policies.addresses import is_home, is_public
from app.domain.policies.urls import Target
from app.transport.decoding import Overflow, decoder
from app.transport.resolver import Address, Resolver
from app.transport.tls import verifying
from app.utils.pools import within

if TYPE_CHECKING:
    from requests import Response

    from app.transport.guarded_wire import Line

REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAX_CHUNKS = 100_000
"""A body that comes in a byte a chunk costs a thousand times what its bytes do."""
_ALWAYS = {"User-Agent": "onedoor", "Accept": "*/*", "Accept-Encoding": "gzip, deflate, br", "Connection": "close"}


@dataclass(frozen=True, slots=True)
class GuardedReply:
    """body: decoded; empty for a redirect, whose body is not read. location: where a redirect leads, as it was sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def location(self) -> str | None:
        return self.headers.get("location") if self.status in REDIRECTS else None


def is_elsewhere(address: Address) -> bool:
    """Whether an address of a look-up is public and not our own."""
    family, sockaddr = address
    return is_public(sockaddr[0]) and not _is_ours(family, sockaddr)


class Guard:
    """One a process. Follows no redirect and repeats nothing; that is for who asks.

    resolver: must keep nothing, names are others'. allowed: whether an address may be connected to; only tests give
    another answer. tls: makes the context that proves a host's name. at_once: calls under way together.
    """

    def __init__(
        self,
        *,
        resolver: Resolver | None = None,
        allowed: Callable[[Address], bool] = is_elsewhere,
        tls: Callable[[], ssl.SSLContext] = verifying,
        at_once: int = 64,
    ) -> None:
        self._resolver = resolver or Resolver(threads=16, ttl=0)
        self._allowed = allowed
        self._make_tls = tls
        self._tls: ssl.SSLContext | None = None
        self._places = BoundedSemaphore(at_once)

    def send(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes | None, *, until: float, limit: int
    ) -> GuardedReply:
        """until: the end of it all, in monotonic seconds. limit: bytes of the decoded body.

        Raises Forbidden (no public address), TooLarge, Overloaded, ProviderFault (connect, tls, cut, bad_reply,
        stalled; `sent` is False where the host has got nothing).
        """
        left = until - time.monotonic()
        if not self._places.acquire(timeout=max(left, 0.0)):
            raise Overloaded("Too many calls to other hosts are under way.", retry_after=1)
        try:
            with within(max(until - time.monotonic(), 0.0), ProviderFault("stalled", "the reply took too long")):
                return self._exchange(method, target, headers, body, until, limit)
        finally:
            self._places.release()

    def _exchange(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes | None, until: float, limit: int
    ) -> GuardedReply:
        from app.transport.guarded_wire import Line, send

        line = Line(self._addresses(target, until), until, self._context() if target.scheme == "https" else None)
        try:
            lower = {name.lower() for name in headers}
            always = {name: value for name, value in _ALWAYS.items() if name.lower() not in lower}
            response = send(method, target, {**always, **headers}, body, line)
            reply = GuardedReply(response.status_code, response.headers)
            if reply.location is not None:
                return reply
            return GuardedReply(reply.status, reply.headers, _read(response, line, limit))
        finally:
            line.close()

    def _addresses(self, target: Target, until: float) -> list[Address]:
        """Raises Forbidden unless every one of them may be connected to."""
        if is_home(target.host):
            raise _not_public()
        try:
            found = self._resolver.look_up(target.host, target.port, until - time.monotonic())
        except TimeoutError as late:
            raise ProviderFault("stalled", "looking the name up took too long", sent=False) from late
        except OSError as fault:
            raise ProviderFault("connect", "the host's name is not known", sent=False) from fault
        if not all(self._allowed(address) for address in found):
            raise _not_public()
        return found

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = self._make_tls()
        return self._tls


def as_domain_error(fault: ProviderFault) -> DomainError:
    """What is told of a fault of the other host."""
    kind = UpstreamTimeout if fault.kind == "stalled" else UpstreamFailed
    return kind(f"The other host failed: {fault.message}.", details={"reason": fault.kind})


def _read(response: Response, line: Line, limit: int) -> bytes:
    from app.transport.guarded_wire import blocks

    told = response.headers.get("content-length", "")
    if told.isascii() and told.isdigit() and (len(told) > 18 or int(told) > limit):
        raise _too_large(limit)
    # Framing and what is packed badly may cost something on top, not many times as much.
    line.left += limit + limit // 2
    line.excess = Overflow("bad_reply", "the reply is too large")
    size, parts = 0, []
    try:
        decoding = decoder(response.headers.get("content-encoding"), limit)
        for number, block in enumerate(blocks(response, line)):
            unpacked = decoding.decode(block) if decoding is not None else block
            size += len(unpacked)
            if size > limit or number > MAX_CHUNKS:
                raise _too_large(limit)
            parts.append(unpacked)
        if decoding is not None:
            decoding.finish()
    except Overflow as fault:
        raise _too_large(limit) from fault
    return b"".join(parts)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The reply has more than {limit} bytes.", details={"reason": "reply", "max_bytes": limit})


def _not_public() -> Forbidden:
    return Forbidden("This host has no public address, or one that is not.", field="url", details={"reason": "address"})


def _is_ours(family: int, sockaddr: tuple[object, ...]) -> bool:
    """Whether it is an address of this machine: then that is what we would call from. Nothing is sent for it."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(sockaddr)
        except OSError:
            return False
        own: str = probe.getsockname()[0]
        return own == sockaddr[0]
