"""Kept answers in order: Redis filled anew where it was emptied, within their bounds, gone where deleted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

import gevent

from app.domain.errors import Unavailable
from app.domain.policies.cache_key import CacheKey
from app.utils.clock import utcnow

log = logging.getLogger(__name__)

EVERY: Final = 30.0
FILL_CLAIM: Final = 60
"""Seconds for which one worker of all fills Redis; where it dies another goes on."""


class Hot(Protocol):
    """Each raises Unavailable where Redis is away."""

    @property
    def filled(self) -> bool: ...

    def mark_filled(self) -> None: ...
    def claim(self, what: str, seconds: int) -> bool: ...
    def keep(self, key: CacheKey, body: bytes, life_ms: int, *, asker: str = "", refilled: bool = False) -> bool: ...
    def drop(self, keys: Sequence[CacheKey]) -> None: ...


class Rows(Protocol):
    """Each raises Unavailable where the database is away."""

    def of_conversation(self, row_id: str) -> list[CacheKey]: ...
    def drop(self, keys: Sequence[CacheKey]) -> None: ...
    def newest(self, now: datetime, before: tuple[datetime, str] | None) -> list[tuple[CacheKey, bytes, datetime]]: ...
    def alive(self, keys: Sequence[CacheKey]) -> set[CacheKey]: ...
    def expired(self, now: datetime) -> list[CacheKey]: ...
    def oldest(self) -> list[tuple[CacheKey, int]]: ...
    def bytes(self) -> int: ...


class CacheKeeping:
    """most_bytes: CACHE_MAX_MB, of both stores each. now: UTC."""

    def __init__(self, hot: Hot, rows: Rows, most_bytes: int, now: Callable[[], datetime] = utcnow) -> None:
        self._hot = hot
        self._rows = rows
        self._most = most_bytes
        self._now = now
        self._loop: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin, in the process that serves."""
        self._loop = gevent.spawn(self._forever)

    def stop(self) -> None:
        if self._loop is not None:
            self._loop.kill()

    def forget(self, user_id: str, public_id: str, row_id: str) -> None:
        """A conversation was deleted: nothing that was said in it is given again. Raises Unavailable."""
        keys = self._rows.of_conversation(row_id)
        # Redis first: a row that is left tells the sweep what is still to be dropped.
        self._hot.drop(keys)
        self._rows.drop(keys)

    def fill(self) -> None:
        """Give Redis what SQL has and it has not: after a start, or once it was emptied."""
        if self._hot.filled or not self._hot.claim("fill", FILL_CLAIM):
            return
        before, size = None, 0
        while size < self._most and (page := self._rows.newest(self._now(), before)):
            for key, body, end in page:
                self._hot.keep(key, body, int((end - self._now()).total_seconds() * 1000), refilled=True)
                size += len(body)
                gevent.sleep(0)
            # What was deleted while this page was on its way is not brought back by it.
            alive = self._rows.alive([key for key, _, _ in page])
            self._hot.drop([key for key, _, _ in page if key not in alive])
            last, _, end = page[-1]
            before = (end, last.digest)
        self._hot.mark_filled()

    def sweep(self) -> None:
        """Take away what has expired, and the oldest of what is too much."""
        while keys := self._rows.expired(self._now()):
            self._let_go(keys)
        over = self._rows.bytes() - self._most
        while over > 0 and (oldest := self._rows.oldest()):
            going: list[CacheKey] = []
            for key, size in oldest:
                if over > 0:
                    going.append(key)
                    over -= size
            self._let_go(going)

    def _let_go(self, keys: Sequence[CacheKey]) -> None:
        self._hot.drop(keys)
        self._rows.drop(keys)
        gevent.sleep(0)

    def _forever(self) -> None:
        while True:
            try:
                self.fill()
                if self._hot.claim("sweep", int(EVERY) - 1):
                    self.sweep()
            except Unavailable as fault:
                log.debug("the cache waits for its stores: %s", fault.message)
            except Exception:
                log.exception("the keeping of the cache failed")  # a bug, but not one that may end the loop
            gevent.sleep(EVERY)
