"""Keeps a worker that no chat keeps informed from believing what was revoked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

import gevent
from gevent.event import Event

from app.domain.errors import Unavailable
from app.domain.hot import Epochs

log = logging.getLogger(__name__)

Listener = Callable[[int], None]


class Hot(Protocol):
    """ChatState, as far as the poller needs it."""

    def epochs(self) -> Epochs: ...

    def flush_dirty(self) -> None: ...


class EpochPoller:
    """Tells the listeners each epoch that is not the one they were told last, the first one included.

    They run in the poller's own greenlet, at most `every` seconds after the change, sooner where a chat brought it;
    one that raises is told again at the next turn. While Redis is away `fallback` (SQL's own look) is called each
    `fallback_every` seconds instead. Windows whose settle failed are thrown away here too.
    """

    def __init__(
        self,
        hot: Hot,
        *,
        on_auth: Listener,
        on_catalogue: Listener,
        fallback: Callable[[], None],
        every: float = 0.5,
        fallback_every: float = 1.0,
    ) -> None:
        self._hot = hot
        self._listeners = {"auth": on_auth, "catalogue": on_catalogue}
        self._fallback = fallback
        self._every = every
        self._fallback_every = fallback_every
        self._told: dict[str, int] = {}
        self._seen: Epochs | None = None
        self._heard_at = float("-inf")
        self._fell_back_at = float("-inf")
        self._news = Event()
        self._loop: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin, in the process that serves: a greenlet does not outlive a fork."""
        if self._loop is None:
            self._loop = gevent.spawn(self._run)

    def stop(self) -> None:
        if self._loop is not None:
            self._loop.kill()
            self._loop = None

    def saw(self, epochs: Epochs) -> None:
        """What an admission brought: then there is no need to ask."""
        self._heard_at = time.monotonic()
        if epochs != self._seen:
            self._seen = epochs
            self._news.set()

    def _run(self) -> None:
        while True:
            self._news.clear()
            self._look()
            self._tell()
            self._news.wait(self._every)

    def _look(self) -> None:
        try:
            self._hot.flush_dirty()
            if time.monotonic() - self._heard_at > self._every / 2:
                self.saw(self._hot.epochs())
        except Unavailable:
            self._fall_back()

    def _fall_back(self) -> None:
        now = time.monotonic()
        if now - self._fell_back_at < self._fallback_every - self._every / 2:
            return
        self._fell_back_at = now
        try:
            self._fallback()
        except Unavailable as fault:
            log.warning("neither redis nor the database tells what was revoked: %s", fault.message)
        except Exception:
            log.exception("asking the database for epochs failed")

    def _tell(self) -> None:
        if self._seen is None:
            return
        for name, listener in self._listeners.items():
            number = getattr(self._seen, name)
            if self._told.get(name) == number:
                continue
            try:
                listener(number)
                self._told[name] = number
            except Exception:
                log.exception("a listener of the %s epoch failed and is told again", name)
