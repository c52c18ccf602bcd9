"""Connections to one host: dialled within one deadline, kept while clean, never shared."""

from __future__ import annotations

import select
import ssl
import time
from collections import deque
from typing import Any

from gevent import monkey, socket
from gevent.lock import BoundedSemaphore
from gevent.ssl import SSLContext

from app.domain.errors import ProviderFault
from app.transport.resolver import Resolver

_poll = monkey.get_original("select", "poll")
_ANY_EVENT = select.POLLIN | select.POLLRDHUP | select.POLLHUP | select.POLLERR

MAX_IDLE_SECONDS = 60.0
POOL_WAIT_SECONDS = 1.0
MIN_DIAL_SECONDS = 1.0


class HostPool:
    """At most `size` connections to one (scheme, host, port)."""

    def __init__(
        self, host: str, port: int, tls: SSLContext | None, resolver: Resolver, *, size: int, connect_timeout: float
    ) -> None:
        self.host = host
        self.port = port
        self._tls = tls
        self._resolver = resolver
        self._connect_timeout = connect_timeout
        self._places = BoundedSemaphore(size)
        self._idle: deque[tuple[Any, float]] = deque()

    def borrow(self, wait: float) -> tuple[Any, bool]:
        """A connected socket and whether it was used before. Hand it back by `keep` or `discard`.

        wait: seconds the caller can spare. Raises ProviderFault: pool_full, connect, tls; nothing was sent.
        """
        if not self._places.acquire(timeout=min(wait, POOL_WAIT_SECONDS)):
            raise ProviderFault("pool_full", f"all connections to {self.host} are in use", sent=False)
        try:
            idle = self._clean_idle()
            return (idle, True) if idle is not None else (self._dial(wait), False)
        except BaseException:
            self._places.release()
            raise

    def fresh(self, wait: float) -> Any:
        """A new connection in the place of one that was borrowed and turned out closed."""
        return self._dial(wait)

    def keep(self, sock: Any) -> None:
        self._idle.append((sock, time.monotonic()))
        self._places.release()

    def discard(self, sock: Any) -> None:
        sock.close()
        self._places.release()

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[0].close()

    def _clean_idle(self) -> Any | None:
        """The youngest idle connection that is open and silent. A byte that came while idle belongs to nobody."""
        oldest = time.monotonic() - MAX_IDLE_SECONDS
        while self._idle:
            sock, since = self._idle.pop()
            if since > oldest and _is_silent(sock):
                return sock
            sock.close()
        return None

    def _dial(self, wait: float) -> Any:
        deadline = time.monotonic() + min(wait, self._connect_timeout)
        try:
            addresses = self._resolver.look_up(self.host, self.port, deadline - time.monotonic())
        except OSError as fault:
            raise ProviderFault("connect", f"{self.host}: {fault.__class__.__name__}", sent=False) from fault
        fault_seen: OSError | None = None
        for family, address in addresses:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            try:
                return self._connect(family, address, left)
            except ssl.SSLError as fault:
                raise ProviderFault("tls", f"{self.host}: {_tls_reason(fault)}", sent=False) from fault
            except OSError as fault:
                fault_seen = fault
        reason = fault_seen.strerror or "timed out" if fault_seen else "timed out"
        raise ProviderFault("connect", f"{self.host}: {reason}", sent=False) from fault_seen

    def _connect(self, family: int, address: tuple[Any, ...], left: float) -> Any:
        end = time.monotonic() + left
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(min(left, MIN_DIAL_SECONDS) if family == socket.AF_INET6 else left)
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is None:
                return sock
            sock.settimeout(max(end - time.monotonic(), 0.01))
            return self._tls.wrap_socket(sock, server_hostname=self.host)
        except BaseException:
            sock.close()
            raise


def _is_silent(sock: Any) -> bool:
    poll = _poll()
    poll.register(sock.fileno(), _ANY_EVENT)
    return not poll.poll(0)


def _tls_reason(fault: ssl.SSLError) -> str:
    if isinstance(fault, ssl.SSLCertVerificationError):
        return fault.verify_message
    return fault.reason or "handshake failed"
