"""The ledger: one row a request that was accepted, and its attempts. Rows outlive users, keys and models."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, Nano, UtcDateTime
from app.models.types import Words


class Request(Base):
    """charge: nano-USD of the answer; lost: nano-USD of attempts that failed before it; price_*: nano-USD a million
    tokens, each image, each minute; *_ms: milliseconds.

    period: the UTC day of its admission as YYYY-MM-DD; its first seven characters are the month.
    """

    __tablename__ = "requests"
    __table_args__ = (
        Index("ix_requests_user_period", "user_id", "period"),
        Index("ix_requests_key_period", "key_id", "period"),
    )

    prompt_id: Mapped[str] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(Id)
    key_id: Mapped[str | None] = mapped_column(Id)
    door: Mapped[str] = mapped_column(String(16))
    model: Mapped[str] = mapped_column(Words)
    provider: Mapped[str] = mapped_column(Words)
    state: Mapped[str] = mapped_column(String(16))
    cached: Mapped[bool]
    fallback: Mapped[bool]
    skipped_chunks: Mapped[int]
    prompt_tokens: Mapped[int] = mapped_column(BigInteger)
    completion_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_tokens: Mapped[int] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger)
    usage_source: Mapped[str] = mapped_column(String(16))
    charge: Mapped[int | None] = mapped_column(Nano)
    lost: Mapped[int] = mapped_column(Nano, server_default="0")
    price_input: Mapped[int | None] = mapped_column(Nano)
    price_output: Mapped[int | None] = mapped_column(Nano)
    price_cached_input: Mapped[int | None] = mapped_column(Nano)
    price_image: Mapped[int | None] = mapped_column(Nano)
    price_minute: Mapped[int | None] = mapped_column(Nano)
    ttft_ms: Mapped[int | None] = mapped_column(BigInteger)
    latency_ms: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    period: Mapped[str] = mapped_column(String(10))


class AttemptRow(Base):
    """One call of one provider, as the receipt shows it."""

    __tablename__ = "attempts"

    prompt_id: Mapped[str] = mapped_column(Id, primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    model: Mapped[str] = mapped_column(Words)
    provider: Mapped[str] = mapped_column(Words)
    key_mask: Mapped[str | None] = mapped_column(Words)
    reason: Mapped[str] = mapped_column(Words)
    started_ms: Mapped[int] = mapped_column(BigInteger)
    latency_ms: Mapped[int] = mapped_column(BigInteger)
    ttft_ms: Mapped[int | None] = mapped_column(BigInteger)
    status: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(String(64))
    prompt_tokens: Mapped[int | None] = mapped_column(BigInteger)
    completion_tokens: Mapped[int | None] = mapped_column(BigInteger)
    cached_tokens: Mapped[int | None] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int | None] = mapped_column(BigInteger)
    usage_source: Mapped[str | None] = mapped_column(String(16))
    next: Mapped[str | None] = mapped_column(String(16))
