"""Work that is owed after a reply and never holds it up: a few greenlets over a bounded queue."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable
from functools import partial

from gevent import joinall, spawn
from gevent.greenlet import Greenlet

log = logging.getLogger(__name__)


class Afterwards:
    """At most `lanes` pieces of work at once and `most` that wait.

    One that comes while so many wait is dropped and counted in `dropped`: what is owed must be found again from SQL.
    lost: told of each that is dropped.
    """

    def __init__(self, lanes: int = 4, most: int = 1000, lost: Callable[[], None] = lambda: None) -> None:
        self._lanes = lanes
        self._most = most
        self._lost = lost
        self._waiting: deque[Callable[[], None]] = deque()
        self._running: set[Greenlet] = set()
        self._pid = os.getpid()
        self.dropped = 0

    def put(self, work: Callable[..., None], *args: object) -> bool:
        """Do it once the caller lets the loop go on; False where it was dropped. What it raises is logged."""
        if self._pid != os.getpid():
            # Greenlets do not come along through a fork.
            self._pid, self._running = os.getpid(), set()
            self._waiting.clear()
        if len(self._waiting) >= self._most:
            self.dropped += 1
            self._lost()
            return False
        self._waiting.append(partial(work, *args))
        if len(self._running) < self._lanes:
            lane = spawn(self._work)
            self._running.add(lane)
            lane.rawlink(self._running.discard)
        return True

    def drain(self, seconds: float) -> None:
        """Give what waits so many seconds to be done."""
        joinall(list(self._running), timeout=seconds)

    def _work(self) -> None:
        while self._waiting:
            work = self._waiting.popleft()
            try:
                work()
            except Exception:  # one piece of work must not end the lane of the others
                log.exception("work after a reply failed")
