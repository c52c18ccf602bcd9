"""Prompt templates and every version of their texts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, UtcDateTime
from app.models.types import Json, Words


class TemplateRow(Base):
    """user_id: its owner, NULL for a seeded one. version: the one that serves. seed_key: its name in the seeded file,
    seeded: still as that file has it, so that a new file may change it.

    deleted_at: a tombstone, since conversations name its versions. No foreign key to the user, as with them.
    """

    __tablename__ = "templates"
    __table_args__ = (Index(None, "user_id", "id"), Index(None, "shared", "id"))

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str | None] = mapped_column(Id)
    name: Mapped[str] = mapped_column(Words)
    category: Mapped[str] = mapped_column(Words)
    shared: Mapped[bool]
    version: Mapped[int]
    seed_key: Mapped[str | None] = mapped_column(String(64), unique=True)
    seeded: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class TemplateVersionRow(Base):
    """One text of a template; never changed. variables: objects with name, type, default and choices."""

    __tablename__ = "template_versions"
    __table_args__ = (UniqueConstraint("template_id", "version"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    template_id: Mapped[str] = mapped_column(ForeignKey("templates.id"))
    version: Mapped[int]
    content: Mapped[str] = mapped_column(Words)
    variables: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
