"""Connections to one host: never shared, kept while clean, no more than there are places."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from gevent import get_hub
from gevent.lock import BoundedSemaphore

from app.domain.errors import ProviderFault
from app.transport.connection import Connection
from app.transport.dialling import Dialler
from app.transport.stoppable import stoppable
from app.utils.cancel import Cancel

MAX_IDLE_SECONDS = 60.0
POOL_WAIT_SECONDS = 1.0


class HostPool:
    """At most `size` connections to one (scheme, host, port)."""

    def __init__(self, dialler: Dialler, size: int) -> None:
        self._dialler = dialler
        self._places = BoundedSemaphore(size)
        self._idle: deque[tuple[float, Connection]] = deque()
        self._sweep: Any = None
        self._closed = False

    def borrow(self, until: float, cancel: Cancel) -> tuple[Connection, bool]:
        """A connection and whether it was used before. Hand it back by `keep`, `discard` or `renew`.

        until: the moment up to which the caller can wait.
        Raises ProviderFault: pool_full, connect, tls, cancelled; nothing was sent.
        """
        if not self._places.acquire(blocking=False):
            self._wait_for_place(until, cancel)
        idle = self._clean_idle()
        if idle is not None:
            return idle, True
        return self._dial(until, cancel), False

    def renew(self, connection: Connection, until: float, cancel: Cancel) -> Connection:
        """Another, new connection in the place of one that turned out closed. Raises like `borrow`; the place
        is free again then."""
        connection.close()
        return self._dial(until, cancel)

    def keep(self, connection: Connection) -> None:
        """Hand back a connection on which all that was asked has been answered."""
        if self._closed:
            connection.close()
        else:
            self._idle.append((time.monotonic(), connection))
            if self._sweep is None:
                self._sweep = get_hub().loop.timer(MAX_IDLE_SECONDS, ref=False)
                self._sweep.start(self._close_old)
        self._places.release()

    def discard(self, connection: Connection) -> None:
        """Hand back a connection that nobody may use again."""
        connection.close()
        self._places.release()

    def close(self) -> None:
        """Close what is idle, and from now on what is handed back."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.close()
        while self._idle:
            self._idle.pop()[1].close()

    def _wait_for_place(self, until: float, cancel: Cancel) -> None:
        wait = min(until - time.monotonic(), POOL_WAIT_SECONDS)
        with stoppable(cancel):
            got = self._places.acquire(timeout=max(wait, 0.0))
        if not got:
            raise ProviderFault("pool_full", f"all connections to {self._dialler.host} are in use", sent=False)

    def _dial(self, until: float, cancel: Cancel) -> Connection:
        try:
            with stoppable(cancel):
                return self._dialler.dial(until)
        except BaseException:
            self._places.release()
            raise

    def _clean_idle(self) -> Connection | None:
        """The youngest idle connection that is open and silent. A byte that came while idle belongs to nobody."""
        while self._idle:
            _, connection = self._idle.pop()
            if connection.is_silent():
                return connection
            connection.close()
        return None

    def _close_old(self) -> None:
        """The last-used are used first, so after a busy hour the others lie idle until the provider closes them."""
        oldest = time.monotonic() - MAX_IDLE_SECONDS
        while self._idle and self._idle[0][0] <= oldest:
            self._idle.popleft()[1].close()
        self._sweep = None
        if self._idle:
            self._sweep = get_hub().loop.timer(self._idle[0][0] - oldest, ref=False)
            self._sweep.start(self._close_old)
