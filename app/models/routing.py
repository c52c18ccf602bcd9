"""What was learned of models; see domain.routing and domain.policies.bandit."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Double, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, UtcDateTime
from app.models.types import Json, Words


class BanditArm(Base):
    """One model (INTEGRATION/NAME) at one kind of task. at: unix seconds; the rest as of domain.routing.Arm."""

    __tablename__ = "bandit"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    model: Mapped[str] = mapped_column(Words, primary_key=True)
    good: Mapped[float] = mapped_column(Double)
    weight: Mapped[float] = mapped_column(Double)
    ratings: Mapped[float] = mapped_column(Double)
    chats: Mapped[float] = mapped_column(Double)
    prompt: Mapped[float] = mapped_column(Double)
    completion: Mapped[float] = mapped_column(Double)
    ms: Mapped[float] = mapped_column(Double)
    samples: Mapped[int] = mapped_column(BigInteger)
    age: Mapped[float] = mapped_column(Double)
    at: Mapped[float] = mapped_column(Double)
    last_user: Mapped[str] = mapped_column(Id)
    recent: Mapped[list[Any]] = mapped_column(Json)


class BanditShare(Base):
    """How much of an arm's evidence is one user's. Only written with its arm locked."""

    __tablename__ = "bandit_shares"
    __table_args__ = (Index(None, "updated_at"),)

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    model: Mapped[str] = mapped_column(Words, primary_key=True)
    user_id: Mapped[str] = mapped_column(Id, primary_key=True)
    good: Mapped[float] = mapped_column(Double)
    weight: Mapped[float] = mapped_column(Double)
    age: Mapped[float] = mapped_column(Double)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
