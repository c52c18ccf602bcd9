"""Keeps answers after their replies, in both stores."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from app.domain.cached import CacheEntry
from app.domain.chat import Message
from app.domain.errors import Unavailable
from app.domain.policies.cache_entry import packed
from app.domain.policies.cache_key import CacheKey
from app.domain.policies.keepable import keepable
from app.services.chat.nearness import Nearness
from app.services.chat.replay import kept_reply
from app.services.chat.run import ChatRun
from app.utils.clock import utcnow

log = logging.getLogger(__name__)

MOST_OWED: Final = 1_000
"""Answers that wait to be kept; past it none is."""
MOST_AT_ONCE: Final = 64

Prompt = tuple[Message, ...]
"""As it was when the cache was asked; who answers may have changed it since."""


class Hot(Protocol):
    """Each raises Unavailable where Redis is away."""

    def keep(self, key: CacheKey, body: bytes, life_ms: int, *, asker: str = "", refilled: bool = False) -> bool: ...
    def drop(self, keys: Sequence[CacheKey]) -> None: ...


class Rows(Protocol):
    """Raises Unavailable where the database is away."""

    def keep(self, entries: Sequence[CacheEntry]) -> set[CacheKey]: ...


@dataclass(frozen=True, slots=True)
class _Owed:
    """An answer that is to be kept: of this run, said in this conversation."""

    key: CacheKey
    prompt: Prompt
    run: ChatRun
    conversation: str | None


class CacheWriter:
    """ttl: CACHE_TTL in seconds; near: by what an answer is found again; later: does what is owed after a reply."""

    def __init__(self, hot: Hot, rows: Rows, near: Nearness, *, ttl: float, later: Callable[..., bool]) -> None:
        self._hot = hot
        self._rows = rows
        self._near = near
        self._ttl = timedelta(seconds=ttl)
        self._later = later
        self._owed: deque[_Owed] = deque()
        self._keeping = False

    def offered(self, key: CacheKey, prompt: Prompt, run: ChatRun, chat: ChatRun) -> None:
        """An answer is durable in this chat's conversation."""
        if run.cached or not worth_keeping(run) or len(self._owed) >= MOST_OWED:
            return
        self._owed.append(_Owed(key, prompt, run, chat.row_id if chat.request.conversation else None))
        if not self._keeping:
            self._keeping = True
            if not self._later(self._keep_all):
                self._keeping = False

    def _keep_all(self) -> None:
        """What waits goes together: one transaction for all that ended meanwhile."""
        try:
            while self._owed:
                self._keep([self._owed.popleft() for _ in range(min(len(self._owed), MOST_AT_ONCE))])
        finally:
            self._keeping = False

    def _keep(self, owed: Sequence[_Owed]) -> None:
        """Redis first, since whoever waits looks there; what SQL then refuses goes again. So who deletes a
        conversation finds a row of all that is kept, or this finds the tombstone."""
        entries: list[CacheEntry] = []
        kept: set[CacheKey] = set()
        try:
            for one in owed:
                entry = self._entry(one)
                if self._hot.keep(one.key, entry.body, milliseconds(self._ttl), asker=one.run.request.prompt_id):
                    entries.append(entry)
            if entries:
                kept = self._rows.keep(entries)
        except Unavailable as fault:
            log.debug("answers are not kept: %s", fault.message)
        finally:
            refused = [entry.key for entry in entries if entry.key not in kept]
            if refused:
                self._drop(refused)

    def _entry(self, owed: _Owed) -> CacheEntry:
        now, run = utcnow(), owed.run
        body = packed(owed.key, kept_reply(run))
        near = self._near.means(run.request, owed.prompt)
        return CacheEntry(owed.key, body, now, now + self._ttl, owed.conversation, near)

    def _drop(self, keys: Sequence[CacheKey]) -> None:
        try:
            self._hot.drop(keys)
        except Unavailable as fault:
            log.debug("answers that SQL refused stay hot: %s", fault.message)


def worth_keeping(run: ChatRun) -> bool:
    """Whether what this run came to may be given again."""
    drawn = run.images or run.transcript.pictures
    return not drawn and keepable(run.transcript.answers(), run.attempts, run.skipped_chunks)


def milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * 1000)
