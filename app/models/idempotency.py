"""Answers that are kept to be given again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, UtcDateTime
from app.models.types import Json, Words


class Idempotency(Base):
    """What an Idempotency-Key stands for. A row that has expired is as good as none.

    state: `running` until its answer is whole, and expires_at is the end of its owner's lease; then `done`.
    owner: the id of the request that answers. conversation: its public id, whose deletion takes the answer along.
    """

    __tablename__ = "idempotency"
    __table_args__ = (Index(None, "expires_at"), Index(None, "user_id", "conversation"))

    scope: Mapped[str] = mapped_column(Words, primary_key=True)
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    owner: Mapped[str] = mapped_column(Id)
    user_id: Mapped[str] = mapped_column(Id)
    state: Mapped[str] = mapped_column(String(8))
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    conversation: Mapped[str | None] = mapped_column(Words)
    status: Mapped[int | None]
    content_type: Mapped[str | None] = mapped_column(Words)
    headers: Mapped[Any | None] = mapped_column(Json)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
