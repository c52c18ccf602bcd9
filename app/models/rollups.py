"""What reports read instead of the ledger: its sums by day, user, key and model."""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, LargeBinary, Numeric, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, Nano
from app.models.types import Words

#: See domain.policies.histogram: one number, which SQLite holds as bytes.
Histogram = Numeric().with_variant(LargeBinary(), "sqlite")


class Rollup(Base):
    """Raised in the transaction of each ledger row. Of all chats of one UTC day, user, key and model:

    key_id: "" where none was shown. requests: all that were accepted, also those that failed. charge: nano-USD of those
    with a price. latency_ms: milliseconds in all; latency, ttft: histograms.
    """

    __tablename__ = "rollups"
    __table_args__ = (Index(None, "day"),)

    user_id: Mapped[str] = mapped_column(Id, primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    key_id: Mapped[str] = mapped_column(Id, primary_key=True)
    model: Mapped[str] = mapped_column(Words, primary_key=True)
    requests: Mapped[int] = mapped_column(BigInteger)
    cached: Mapped[int] = mapped_column(BigInteger)
    fallback: Mapped[int] = mapped_column(BigInteger)
    prompt_tokens: Mapped[int] = mapped_column(BigInteger)
    completion_tokens: Mapped[int] = mapped_column(BigInteger)
    cached_tokens: Mapped[int] = mapped_column(BigInteger)
    reasoning_tokens: Mapped[int] = mapped_column(BigInteger)
    charge: Mapped[int] = mapped_column(Nano)
    latency_ms: Mapped[int] = mapped_column(BigInteger)
    latency: Mapped[object] = mapped_column(Histogram)
    ttft: Mapped[object] = mapped_column(Histogram)
