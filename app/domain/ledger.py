"""What one chat leaves behind: its row in the ledger, its attempts, its two messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.domain.events import Attempt
from app.domain.money import Price
from app.domain.usage import Usage
from app.domain.wishes import Source

State = Literal[
    "complete", "client_gone", "upstream_failed", "stalled", "budget_cut", "refused", "crashed", "in_flight"
]


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One accepted request. charge and price are nano-USD; times UTC; latencies milliseconds.

    lost: nano-USD that attempts cost which failed before the one that the charge is of; budgets bear both.
    """

    prompt_id: str
    user_id: str
    key_id: str | None
    door: str
    model: str
    provider: str
    state: State
    usage: Usage
    charge: int | None
    price: Price | None
    cached: bool
    fallback: bool
    skipped_chunks: int
    ttft_ms: int | None
    latency_ms: int
    created_at: datetime
    lost: int = 0


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One half of an exchange, as history shows it and later prompts use it. tokens: counted, for the window.

    attachments, images: ids of files, of a question and of an answer; None for none."""

    prompt_id: str
    role: Literal["user", "assistant"]
    content: str
    tokens: int
    created_at: datetime
    model: str | None = None
    state: State | None = None
    reasoning: str | None = None
    attachments: tuple[str, ...] | None = None
    sources: tuple[Source, ...] | None = None
    images: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ConversationWrite:
    """The conversation that an exchange is stored in.

    id: its row's id; is_new: the row may have to be made (it is not when the conversation existed at admission:
    a deletion during the chat wins). title: of a new one. replaces: see ConversationRef. template: id of the
    template's version that this exchange was made from.
    """

    id: str
    user_id: str
    public_id: str
    is_new: bool
    title: str
    replaces: str | None = None
    template: str | None = None


@dataclass(frozen=True, slots=True)
class SettledChat:
    """All that one chat commits, in one transaction. conversation and messages are None and () where none is kept."""

    row: LedgerRow
    attempts: tuple[Attempt, ...]
    conversation: ConversationWrite | None = None
    messages: tuple[StoredMessage, ...] = ()
