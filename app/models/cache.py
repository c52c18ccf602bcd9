"""Answers that are kept to be given again: what a restart, and a Redis that was emptied, leave of them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, UtcDateTime
from app.models.types import Words


class CachedAnswer(Base):
    """conversation: the row of the one it was said in, whose deletion takes it along. size: bytes of the body.

    scope, question: by which a near-equal question finds it; vector: of the question, as this embedder made it.
    """

    __tablename__ = "cache"
    __table_args__ = (
        Index(None, "user_id", "scope"),
        Index(None, "conversation"),
        Index(None, "expires_at"),
    )

    user_id: Mapped[str] = mapped_column(Id, primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    conversation: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    size: Mapped[int]
    body: Mapped[bytes] = mapped_column(LargeBinary)
    scope: Mapped[str | None] = mapped_column(String(64))
    question: Mapped[str | None] = mapped_column(Words)
    embedder: Mapped[str | None] = mapped_column(Words)
    vector: Mapped[bytes | None] = mapped_column(LargeBinary)
