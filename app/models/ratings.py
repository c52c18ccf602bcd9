"""What users said of answers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, UtcDateTime
from app.models.types import Words


class RatingRow(Base):
    """One a user and prompt. rating: 1 to 5. model, provider: who answered. feedback goes with its conversation."""

    __tablename__ = "ratings"

    user_id: Mapped[str] = mapped_column(Id, primary_key=True)
    prompt_id: Mapped[str] = mapped_column(Id, primary_key=True)
    rating: Mapped[int]
    feedback: Mapped[str | None] = mapped_column(Words)
    provider: Mapped[str] = mapped_column(Words)
    model: Mapped[str] = mapped_column(Words)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RatingSum(Base):
    """Raised in the transaction of each rating, so that an average reads no ratings. user_id: "" for everybody's."""

    __tablename__ = "rating_sums"

    user_id: Mapped[str] = mapped_column(Id, primary_key=True)
    provider: Mapped[str] = mapped_column(Words, primary_key=True)
    model: Mapped[str] = mapped_column(Words, primary_key=True)
    ratings: Mapped[int] = mapped_column(BigInteger)
    total: Mapped[int] = mapped_column(BigInteger)
