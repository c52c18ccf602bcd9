"""The one owner of terminal states: what a chat leaves behind is made durable here, and nowhere else."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Protocol

from app.domain.errors import Unavailable
from app.domain.hot import HotSettlement
from app.domain.ledger import SettledChat

log = logging.getLogger(__name__)


class Commits(Protocol):
    def submit(self, chat: SettledChat) -> None:
        """Return once it is durable; raises Unavailable."""


class Hot(Protocol):
    def settle(self, settlement: HotSettlement) -> None:
        """Let the in-flight record go and append to the window; raises Unavailable."""


class Ledger:
    """Settles each accepted chat once: SQL first, since it is the truth, then Redis, which only holds the heat."""

    def __init__(self, commits: Commits, hot: Hot) -> None:
        self._commits = commits
        self._hot = hot

    def settle(self, chat: SettledChat, hot: HotSettlement) -> None:
        """Make it durable. Raises Unavailable where SQL cannot be reached; Redis being away never holds a reply."""
        try:
            self._commits.submit(chat)
        except BaseException:
            # What SQL may not have, the window must not show: it is read from SQL again.
            self.release(replace(hot, exchange=(), rebuilt=None, drop=True))
            raise
        self.release(hot)

    def release(self, hot: HotSettlement) -> None:
        """Let go of what was held in Redis, without a row: the chat was refused before it was accepted."""
        try:
            self._hot.settle(hot)
        except Unavailable as fault:
            log.debug("settle in redis failed: %s", fault.message, extra={"request_id": hot.prompt_id})
