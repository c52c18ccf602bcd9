"""How a worker ends: what is in flight gets a time, then is cancelled, then what is open is closed."""

from __future__ import annotations

import logging
from collections.abc import Callable

from app.utils.cancel import SHUTDOWN, Cancel

log = logging.getLogger(__name__)


class Lifecycle:
    """One a worker. The server calls `drain`, `cancel_all`, `close` in this order; requests register their Cancel."""

    def __init__(self) -> None:
        self.draining = False
        self._running: set[Cancel] = set()
        self._closers: list[tuple[str, Callable[[], None]]] = []

    @property
    def in_flight(self) -> int:
        return len(self._running)

    def enter(self, cancel: Cancel) -> None:
        """A request begins that must be told when the time is over."""
        self._running.add(cancel)

    def leave(self, cancel: Cancel) -> None:
        self._running.discard(cancel)

    def drain(self) -> None:
        """From now on new requests are refused and readiness says so; what runs goes on."""
        self.draining = True

    def cancel_all(self, reason: str = SHUTDOWN) -> None:
        """Cancel what still runs; each settles itself in its own greenlet."""
        for cancel in tuple(self._running):
            cancel.cancel(reason)

    def on_close(self, name: str, closer: Callable[[], None]) -> None:
        """Call it at the worker's end; the last registered is the first closed."""
        self._closers.append((name, closer))

    def close(self) -> None:
        """Close all that was registered. One that fails is logged and the others still close."""
        while self._closers:
            name, closer = self._closers.pop()
            try:
                closer()
            except Exception:  # the end must reach every closer
                log.exception("closing %s failed", name)
