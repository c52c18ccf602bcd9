"""A request's right to be stopped: by its client leaving, by the shutdown, by its token being revoked."""

from __future__ import annotations

import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

CLIENT_GONE = "client gone"
SHUTDOWN = "shutdown"


class Cancel:
    """Set once, with a reason; whoever holds something open registers how to let go of it."""

    __slots__ = ("_callbacks", "reason")

    def __init__(self) -> None:
        self.reason: str | None = None
        self._callbacks: list[Callable[[], None]] = []

    def cancel(self, reason: str) -> None:
        """Stop it. Later reasons are ignored; callbacks run once, in the caller's greenlet, and must not block."""
        if self.reason is not None:
            return
        self.reason = reason
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            try:
                callback()
            except Exception:  # whoever watches over many requests must outlive a bug in one
                log.exception("what a stopped request held open was not let go of")

    def add(self, callback: Callable[[], None]) -> None:
        """Call it when stopped, at once where it already is."""
        if self.reason is not None:
            callback()
        else:
            self._callbacks.append(callback)

    def remove(self, callback: Callable[[], None]) -> None:
        if callback in self._callbacks:
            self._callbacks.remove(callback)
