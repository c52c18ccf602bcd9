"""What is remembered of a user: exchanges, found again by what they were about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Memory:
    """One exchange. id: its prompt_id; conversation: the row id of the conversation it was in."""

    id: str
    user_id: str
    conversation: str
    question: str
    answer: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RememberedExchange:
    """The same as its owner sees it. conversation_id: the conversation's public id."""

    id: str
    conversation_id: str
    question: str
    answer: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MemoryPage:
    items: tuple[RememberedExchange, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Near:
    """A vector that was found. likeness: the cosine, 1 for the same direction."""

    id: str
    likeness: float
