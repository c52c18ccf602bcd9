"""A chat that has ended, as those see it who learn from it after the reply."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.chat import ChatRequest
from app.domain.ledger import LedgerRow


@dataclass(frozen=True, slots=True)
class Finished:
    """row: as it was settled; question: of the new turn; answer: what the caller was sent.

    conversation: the row id of the conversation it was stored in, None where none is kept. reason: why the model that
    answered was chosen, as its attempt says. window: messages of the conversation that went into the prompt.
    """

    request: ChatRequest
    row: LedgerRow
    question: str
    answer: str
    conversation: str | None
    reason: str | None
    window: int
