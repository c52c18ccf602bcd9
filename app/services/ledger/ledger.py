"""The one owner of terminal states: what a chat leaves behind is made durable here, and nowhere else."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Protocol

from app.domain.errors import Unavailable
from app.domain.hot import HotSettlement
from app.domain.ledger import SettledChat
from app.services.ledger.tally import Tally

log = logging.getLogger(__name__)


class Commits(Protocol):
    """away: the database was, when it was last needed. full: what is kept in its place has no more room."""

    @property
    def away(self) -> bool: ...

    @property
    def full(self) -> bool: ...

    def submit(self, chat: SettledChat) -> bool:
        """Return once it is durable, True where not yet in the database; raises Unavailable."""


class Hot(Protocol):
    def settle(self, settlement: HotSettlement) -> None:
        """Let the in-flight record go and append to the window; raises Unavailable."""


class Ledger:
    """Settles each accepted chat once: SQL first, since it is the truth, then Redis, which only holds the heat."""

    def __init__(self, commits: Commits, hot: Hot, tally: Tally | None = None) -> None:
        self._commits = commits
        self._hot = hot
        self._tally = tally

    @property
    def away(self) -> bool:
        """Whether the database was away when it was last needed."""
        return self._commits.away

    def check_room(self) -> None:
        """Raises Unavailable where the row of a chat that begins now might find no place."""
        if self._commits.full:
            raise Unavailable("The database cannot be reached and what waits for it has no more room.", retry_after=5)

    def accept(self) -> None:
        """A chat was admitted: it is owed a terminal state."""
        if self._tally is not None:
            self._tally.accepted()

    def settle(self, chat: SettledChat, hot: HotSettlement) -> bool:
        """Make it durable; True where it waits on disk for the database. Raises Unavailable where neither takes it;
        Redis being away never holds a reply."""
        try:
            waits = self._commits.submit(chat)
        except BaseException:
            # What SQL may not have, the window must not show: it is read from SQL again.
            self.release(replace(hot, exchange=(), rebuilt=None, drop=True))
            raise
        if self._tally is not None:
            self._tally.settled(chat)
        self.release(hot)
        return waits

    def release(self, hot: HotSettlement) -> None:
        """Let go of what was held in Redis, without a row: the chat was refused before it was accepted."""
        try:
            self._hot.settle(hot)
        except Unavailable as fault:
            log.debug("settle in redis failed: %s", fault.message, extra={"request_id": hot.prompt_id})
