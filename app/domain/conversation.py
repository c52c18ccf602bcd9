"""Conversations as lists and history show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.domain.ledger import State, StoredMessage


@dataclass(frozen=True, slots=True)
class ConversationSummary:
    """One of a user's conversations. id: the name its user knows it by; messages are counted, not exchanges."""

    id: str
    title: str
    message_count: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """Newest first. next: hand it back for those that follow, None where there are no more."""

    items: tuple[ConversationSummary, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class LedgerFacts:
    """What the ledger says of an answer. charge: nano-USD, None where no price was known; latency: milliseconds."""

    provider: str
    latency_ms: int
    tokens: int
    charge: int | None
    cached: bool
    fallback: bool


@dataclass(frozen=True, slots=True)
class HistoryMessage:
    """A message as history shows it; facts and rating (1 to 5) only with an answer."""

    message: StoredMessage
    facts: LedgerFacts | None
    attachments: Any | None = None
    sources: Any | None = None
    images: Any | None = None
    rating: int | None = None

    @property
    def state(self) -> State | None:
        return self.message.state


@dataclass(frozen=True, slots=True)
class History:
    """Oldest first. has_more: whether there are older ones than these."""

    conversation: ConversationSummary
    messages: tuple[HistoryMessage, ...]
    has_more: bool
