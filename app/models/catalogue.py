"""Models and the keys that open them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, String, UniqueConstraint, true
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, Nano, UtcDateTime
from app.models.types import Json, Words


class LlmModel(Base):
    """A row of the catalogue.

    id: any word, `groq/llama-3.1-8b-instant` for a seeded one. origin: seed; admin for one that an admin made or
    edited, which seeding keeps off; config for one of `/config/model`, which replaces no other; list for one that its
    provider told of.
    """

    __tablename__ = "llm_models"
    __table_args__ = (UniqueConstraint("integration", "name"),)

    id: Mapped[str] = mapped_column(Words, primary_key=True)
    integration: Mapped[str] = mapped_column(Words)
    name: Mapped[str] = mapped_column(Words)
    origin: Mapped[str] = mapped_column(String(16))
    context_window: Mapped[int | None]
    max_output: Mapped[int | None]
    inputs: Mapped[list[str]] = mapped_column(Json)
    outputs: Mapped[list[str]] = mapped_column(Json)
    price_input: Mapped[int | None] = mapped_column(Nano)
    price_output: Mapped[int | None] = mapped_column(Nano)
    price_cached_input: Mapped[int | None] = mapped_column(Nano)
    price_image: Mapped[int | None] = mapped_column(Nano)
    price_minute: Mapped[int | None] = mapped_column(Nano)
    active: Mapped[bool] = mapped_column(server_default=true())
    reasoning: Mapped[bool]
    chat: Mapped[bool]
    tools: Mapped[bool]
    abilities_known: Mapped[bool]
    base_url: Mapped[str | None] = mapped_column(Words)
    unavailable: Mapped[str | None] = mapped_column(Words)
    rank: Mapped[int]
    rpm: Mapped[int | None]
    tpm: Mapped[int | None]
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ProviderKey(Base):
    """A provider's key at rest. sealed: AES-GCM, bound to this row's id; out_until: not used before that moment.

    origin: scheme, host and port of the address that it was given for, NULL for the provider's own.
    """

    __tablename__ = "provider_keys"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    integration: Mapped[str] = mapped_column(Words, index=True)
    origin: Mapped[str | None] = mapped_column(Words)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    mask: Mapped[str] = mapped_column(Words)
    out_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
