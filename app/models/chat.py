"""Conversations and their messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, false, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, UtcDateTime
from app.models.types import Json, Words

LIVE = text("deleted_at IS NULL")
DEAD = text("deleted_at IS NOT NULL")
#: Exchanges that are to be remembered and are not yet.
OWED = text("embedded = false AND role = 'assistant' AND state = 'complete'")
WITH_FILES = text("attachments IS NOT NULL OR images IS NOT NULL")


class Conversation(Base):
    """A conversation of one user. A deleted one stays as a tombstone, and its name may be taken anew.

    No foreign key to the user: what a chat commits must not fail because its user went away meanwhile.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        Index("uq_conversations_live", "user_id", "public_id", unique=True, postgresql_where=LIVE, sqlite_where=LIVE),
        Index("ix_conversations_newest", "user_id", "updated_at", "id", postgresql_where=LIVE, sqlite_where=LIVE),
        Index("ix_conversations_dead", "user_id", "public_id", postgresql_where=DEAD, sqlite_where=DEAD),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(Id)
    public_id: Mapped[str] = mapped_column(Words)
    title: Mapped[str] = mapped_column(Words)
    message_count: Mapped[int] = mapped_column(default=0, server_default="0")
    template_version: Mapped[str | None] = mapped_column(Id)
    summary: Mapped[str | None] = mapped_column(Words)
    summary_until: Mapped[str | None] = mapped_column(Id)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Message(Base):
    """Half of an exchange. Order is prompt_id, and of one prompt_id `user` before `assistant`."""

    __tablename__ = "messages"
    __table_args__ = (
        Index("ix_messages_with_files", "conversation_id", postgresql_where=WITH_FILES, sqlite_where=WITH_FILES),
        Index("ix_messages_owed", "prompt_id", postgresql_where=OWED, sqlite_where=OWED),
    )

    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    prompt_id: Mapped[str] = mapped_column(Id, primary_key=True)
    role: Mapped[str] = mapped_column(String(9), primary_key=True)
    content: Mapped[str] = mapped_column(Words)
    model: Mapped[str | None] = mapped_column(Words)
    state: Mapped[str | None] = mapped_column(String(16))
    reasoning: Mapped[str | None] = mapped_column(Words)
    tokens: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attachments: Mapped[Any | None] = mapped_column(Json)
    sources: Mapped[Any | None] = mapped_column(Json)
    images: Mapped[Any | None] = mapped_column(Json)
    embedded: Mapped[bool] = mapped_column(default=False, server_default=false())
