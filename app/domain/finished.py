"""A chat that has ended, as those see it who learn from it after the reply."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.chat import ChatRequest
from app.domain.events import Attempt
from app.domain.ledger import LedgerRow, StoredMessage


@dataclass(frozen=True, slots=True)
class Finished:
    """row: as it was settled; question: of the new turn; answer: what the caller was sent.

    conversation: the row id of the conversation it was stored in, None where none is kept. reason: why the model that
    answered was chosen, as its attempt says. window: messages of the conversation that went into the prompt; older:
    there are, or may be, more of it. attempts: who was asked. earlier: the question before this one. pictures: the
    prompt had some to be looked at. images: ids of the files that were drawn.
    """

    request: ChatRequest
    row: LedgerRow
    question: str
    answer: str
    conversation: str | None
    reason: str | None
    window: int
    attempts: tuple[Attempt, ...] = ()
    earlier: StoredMessage | None = None
    pictures: bool = False
    older: bool = False
    images: tuple[str, ...] = ()
