"""The budget of the whole installation."""

from __future__ import annotations

from app.domain.caller import Budget
from app.models.budgets import BudgetRow
from app.repositories.database import Database

INSTALLATION = "installation"


class Budgets:
    def __init__(self, database: Database) -> None:
        self._database = database

    def installation(self) -> Budget | None:
        """None where nobody set one. Raises Unavailable."""
        row = self._database.read(lambda session: session.get(BudgetRow, INSTALLATION))
        return None if row is None else Budget(row.amount, row.period)  # type: ignore[arg-type]
