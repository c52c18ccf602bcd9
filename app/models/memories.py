"""What is remembered of users. The vectors that find it are no truth of their own: they can be made anew from here."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, UtcDateTime
from app.models.types import Words


class MemoryRow(Base):
    """An exchange. id: its prompt_id; conversation_id: the conversation's row. embedder: the model of its vector."""

    __tablename__ = "memories"
    __table_args__ = (Index(None, "user_id", "id"), Index(None, "conversation_id"))

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(Id)
    conversation_id: Mapped[str] = mapped_column(Id)
    question: Mapped[str] = mapped_column(Words)
    answer: Mapped[str] = mapped_column(Words)
    embedder: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
