"""What users say of answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Rating:
    """One a user and prompt. rating: 1 to 5. model, provider: who answered. at: when it was said last."""

    user_id: str
    prompt_id: str
    rating: int
    feedback: str | None
    model: str
    provider: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Rated:
    """A rating was kept. username: its user's. before: the one that it replaced, None for a first."""

    rating: Rating
    username: str
    before: int | None


@dataclass(frozen=True, slots=True)
class RatingTotals:
    """Of one model's answers: how many were rated, and the sum of the ratings."""

    provider: str
    model: str
    ratings: int
    total: int
