"""Who may call: users, their sessions and keys, and the counters that say when any of it was taken back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, Nano, UtcDateTime


class UserRow(Base):
    """name_key, email_key: after NFKC and casefold. token_epoch: sessions of an earlier one are void.

    budget_amount: nano-USD; budget_period: day, month or total.
    """

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    username: Mapped[str] = mapped_column(String(64))
    name_key: Mapped[str] = mapped_column(String(255), unique=True)
    email: Mapped[str | None] = mapped_column(String(254))
    email_key: Mapped[str | None] = mapped_column(String(255), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    role: Mapped[str] = mapped_column(String(16))
    active: Mapped[bool] = mapped_column(default=True)
    rpm: Mapped[int | None]
    tpm: Mapped[int | None]
    concurrency: Mapped[int | None]
    budget_amount: Mapped[int | None] = mapped_column(Nano)
    budget_period: Mapped[str | None] = mapped_column(String(8))
    token_epoch: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class RefreshFamilyRow(Base):
    """One sign-in and all tokens that came of it.

    generation: the newest refresh token of the family; nothing of the token itself is stored, since its signature
    holds family and generation. used: JSON list of [generation, unix milliseconds] of the tokens used of late,
    which is what a repeat within the grace is answered from. token_epoch: the user's, when it began.
    """

    __tablename__ = "refresh_families"
    __table_args__ = (Index(None, "user_id", "expires_at"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    generation: Mapped[int] = mapped_column(default=0)
    used: Mapped[list[list[int]]] = mapped_column(JSON, default=list)
    token_epoch: Mapped[int]
    dead: Mapped[bool] = mapped_column(default=False)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiKeyRow(Base):
    """sha256: of the whole key, which is stored nowhere. prefix: its first ten characters, for the eye."""

    __tablename__ = "api_keys"
    __table_args__ = (
        Index(
            "ix_api_keys_live",
            "user_id",
            "id",
            sqlite_where=text("revoked_at IS NULL"),
            postgresql_where=text("revoked_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    user_id: Mapped[str] = mapped_column(Id, ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(128))
    prefix: Mapped[str] = mapped_column(String(16))
    sha256: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    rpm: Mapped[int | None]
    tpm: Mapped[int | None]
    concurrency: Mapped[int | None]
    budget_amount: Mapped[int | None] = mapped_column(Nano)
    budget_period: Mapped[str | None] = mapped_column(String(8))
    models: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class EpochRow(Base):
    """Counters raised in the transaction of what they announce, so that SQL can be asked while Redis is away."""

    __tablename__ = "epochs"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    n: Mapped[int] = mapped_column(Nano, default=0)
