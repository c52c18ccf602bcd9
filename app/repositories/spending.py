"""What was spent, from the ledger."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime

from sqlalchemy import ColumnElement, func, select, true

from app.domain.caller import Budget, Scope
from app.domain.policies.lease import first_day
from app.models.ledger import Request
from app.repositories.database import Database


class Spending:
    """Nano-USD that stand in the ledger for a period (UTC), the attempts that failed among them; what is in flight
    is not in it. Every method raises Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_user(self, user_id: str, budget: Budget, now: datetime) -> int:
        return self.of("user", user_id, budget, now.date())

    def of_key(self, key_id: str, budget: Budget, now: datetime) -> int:
        return self.of("key", key_id, budget, now.date())

    def of(self, scope: Scope, name: str, budget: Budget, day: date, without: Collection[str] = ()) -> int:
        """By the requests that were admitted in the budget's period that this day is in. without: prompt ids that
        are accounted for elsewhere."""
        query = select(func.sum(func.coalesce(Request.charge, 0) + Request.lost)).where(
            _whose(scope, name), Request.period >= first_day(budget.period, day)
        )
        if without:
            query = query.where(Request.prompt_id.not_in(without))
        return int(self._database.read(lambda session: session.scalar(query)) or 0)


def _whose(scope: Scope, name: str) -> ColumnElement[bool]:
    if scope == "global":
        return true()
    return (Request.key_id if scope == "key" else Request.user_id) == name
