"""Ratings, and their sums by model."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.domain.ratings import Rating, RatingTotals
from app.models.ledger import Request
from app.models.ratings import RatingRow, RatingSum
from app.repositories.database import Database

#: Whose sums are everybody's.
EVERYBODY = ""

_ADD = text(
    "INSERT INTO rating_sums (user_id, provider, model, ratings, total) VALUES (:whose, :provider, :model, :n, :sum)"
    " ON CONFLICT (user_id, provider, model) DO UPDATE SET"
    " ratings = rating_sums.ratings + excluded.ratings, total = rating_sums.total + excluded.total"
)


class Ratings:
    def __init__(self, database: Database) -> None:
        self._database = database

    def rate(
        self,
        user_id: str,
        prompt_id: str,
        rating: int,
        feedback: str | None,
        now: datetime,
        check: Callable[[str, str, str, int], None],
    ) -> tuple[Rating, int | None] | None:
        """Keep it in the place of what the user said of that answer before; it and the rating that it replaced.

        check: told model, provider, state and completion tokens of the request, raises where it may not be rated.
        None where this user has no such request.
        """

        def work(session: Session) -> tuple[Rating, int | None] | None:
            facts = (Request.model, Request.provider, Request.state, Request.completion_tokens)
            asked = session.execute(
                select(*facts).where(Request.prompt_id == prompt_id, Request.user_id == user_id)
            ).first()
            if asked is None:
                return None
            check(asked.model, asked.provider, asked.state, asked.completion_tokens)
            made = Rating(user_id, prompt_id, rating, feedback, asked.model, asked.provider, now)
            before = _put(session, made)
            _sum(session, made, before)
            return made, before

        try:
            return self._database.write(work)
        except IntegrityError:  # the same was rated for the first time by another call: now it is there
            return self._database.write(work)

    def totals(self, user_id: str | None) -> list[RatingTotals]:
        """The sums of this user's ratings by model, of everybody's for None."""
        query = (
            select(RatingSum.provider, RatingSum.model, RatingSum.ratings, RatingSum.total)
            .where(RatingSum.user_id == (EVERYBODY if user_id is None else user_id))
            .order_by(RatingSum.provider, RatingSum.model)
        )
        rows = self._database.read(lambda session: session.execute(query).all())
        return [RatingTotals(*row) for row in rows]


def _put(session: Session, made: Rating) -> int | None:
    """Store it; the rating that it took the place of, None for a first."""
    known = session.get(RatingRow, (made.user_id, made.prompt_id), with_for_update=True)
    if known is not None:
        before = known.rating
        known.rating, known.feedback, known.updated_at = made.rating, made.feedback, made.at
        return before
    row = RatingRow(
        user_id=made.user_id,
        prompt_id=made.prompt_id,
        rating=made.rating,
        feedback=made.feedback,
        provider=made.provider,
        model=made.model,
        created_at=made.at,
        updated_at=made.at,
    )
    session.add(row)
    return None


def _sum(session: Session, made: Rating, before: int | None) -> None:
    session.flush()
    change = {"n": 1, "sum": made.rating} if before is None else {"n": 0, "sum": made.rating - before}
    for whose in (made.user_id, EVERYBODY):
        session.execute(_ADD, {"whose": whose, "provider": made.provider, "model": made.model, **change})
