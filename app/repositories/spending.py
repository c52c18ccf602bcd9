"""What was spent, from the ledger."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, func, select

from app.domain.caller import Budget
from app.models.ledger import Request
from app.repositories.database import Database


class Spending:
    """Nano-USD that stand in the ledger for the budget's present period (UTC); what is in flight is not in it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_user(self, user_id: str, budget: Budget, now: datetime) -> int:
        return self._sum(Request.user_id == user_id, budget, now)

    def of_key(self, key_id: str, budget: Budget, now: datetime) -> int:
        return self._sum(Request.key_id == key_id, budget, now)

    def _sum(self, whose: ColumnElement[bool], budget: Budget, now: datetime) -> int:
        begin = {"day": now.strftime("%Y-%m-%d"), "month": now.strftime("%Y-%m-01"), "total": ""}[budget.period]
        query = select(func.sum(Request.charge)).where(whose, Request.period >= begin)
        return int(self._database.read(lambda session: session.scalar(query)) or 0)
