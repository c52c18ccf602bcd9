"""A new connection to one host: looked up, raced over its addresses and secured within one deadline."""

from __future__ import annotations

import ssl
import time
from functools import partial
from typing import Any

import gevent
from gevent.queue import Empty, SimpleQueue

from app.domain.errors import ProviderFault
from app.transport.connection import Connection, TlsConnection
from app.transport.resolver import Address, Resolver

STAGGER = 0.25  # seconds between the addresses of one host, as RFC 8305 has it


class Dialler:
    """tls: what proves the host's name; None for plain HTTP. connect_timeout: seconds for all of a dial."""

    def __init__(
        self, host: str, port: int, tls: ssl.SSLContext | None, resolver: Resolver, connect_timeout: float
    ) -> None:
        self.host = host
        self._port = port
        self._resolver = resolver
        self._connect_timeout = connect_timeout
        self._tls = tls

    def dial(self, until: float) -> Connection:
        """Raises ProviderFault(connect, tls); nothing was sent."""
        until = min(until, time.monotonic() + self._connect_timeout)
        try:
            connection = self._race(self._resolver.look_up(self.host, self._port, until - time.monotonic()), until)
        except OSError as fault:
            raise self._fault("connect", fault.strerror or str(fault)) from fault
        try:
            connection.secure(self.host, until)
        except BaseException as fault:
            connection.close()
            if not isinstance(fault, OSError):
                raise
            raise self._handshake_fault(fault) from fault
        return connection

    def _handshake_fault(self, fault: OSError) -> ProviderFault:
        if isinstance(fault, ssl.SSLCertVerificationError):
            return self._fault("tls", fault.verify_message)
        if isinstance(fault, TimeoutError):
            return self._fault("tls", "silent in the handshake")
        if isinstance(fault, ssl.SSLError) and not isinstance(fault, ssl.SSLEOFError):
            return self._fault("tls", fault.reason or "handshake failed")
        return self._fault("connect", "closed in the handshake")

    def _fault(self, kind: str, reason: str) -> ProviderFault:
        return ProviderFault(kind, f"{self.host}: {reason}", sent=False)

    def _race(self, addresses: list[Address], until: float) -> Connection:
        """The first address that answers; the next one starts when one failed or has been silent for a while."""
        if len(addresses) == 1:
            return self._connect(addresses[0], until)
        step = min(STAGGER, (until - time.monotonic()) / 2 / len(addresses))
        race = _Race(partial(self._connect, until=until))
        try:
            for address in addresses:
                race.start(address)
                if (winner := race.winner(time.monotonic() + step)) is not None:
                    return winner
            if (winner := race.winner(until)) is not None:
                return winner
        finally:
            race.end()
        raise race.fault

    def _connect(self, address: Address, until: float) -> Connection:
        family, sockaddr = address
        connection = Connection(family) if self._tls is None else TlsConnection(family, self._tls)
        try:
            connection.connect(sockaddr, until)
        except BaseException:
            connection.close()
            raise
        return connection


class _Race:
    """Attempts side by side, of which one wins and all others are closed."""

    def __init__(self, connect: partial[Connection]) -> None:
        self.fault: OSError = TimeoutError("timed out")
        self._connect = connect
        self._over = False
        self._running: list[Any] = []
        self._ended: Any = SimpleQueue()
        self._open = 0

    def start(self, address: Address) -> None:
        self._open += 1
        self._running.append(gevent.spawn(self._attempt, address))

    def winner(self, until: float) -> Connection | None:
        """The connection that came first; None when none came before `until`, or at once when all have failed."""
        while self._open:
            try:
                ended = self._ended.get(timeout=max(until - time.monotonic(), 0.0))
            except Empty:
                return None
            self._open -= 1
            if isinstance(ended, Connection):
                return ended
            self.fault = ended
        return None

    def end(self) -> None:
        self._over = True
        gevent.killall(self._running, block=False)
        while not self._ended.empty():
            ended = self._ended.get()
            if isinstance(ended, Connection):
                ended.close()

    def _attempt(self, address: Address) -> None:
        try:
            ended: Connection | OSError = self._connect(address)
        except OSError as fault:
            ended = fault
        if not self._over:
            self._ended.put(ended)
        elif isinstance(ended, Connection):
            ended.close()
