"""Budgets that are no user's and no key's."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Id, Nano


class BudgetRow(Base):
    """scope: `installation`, the only one so far. amount: nano-USD; period: day, month or total."""

    __tablename__ = "budgets"

    scope: Mapped[str] = mapped_column(Id, primary_key=True)
    amount: Mapped[int] = mapped_column(Nano)
    period: Mapped[str] = mapped_column(String(8))
