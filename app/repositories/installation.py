"""What all callers together may spend, as an admin sets it."""

from __future__ import annotations

from sqlalchemy.orm import Session

from app.domain.audit import Actor, Facts
from app.domain.caller import Budget
from app.models.budgets import BudgetRow
from app.repositories.audit import record
from app.repositories.budgets import INSTALLATION
from app.repositories.database import Database
from app.repositories.epochs import raise_epoch


class Installation:
    def __init__(self, database: Database) -> None:
        self._database = database

    def set_budget(self, budget: Budget | None, actor: Actor) -> None:
        """Set it, None for no bound, with its row in the audit."""

        def work(session: Session) -> None:
            row = session.get(BudgetRow, INSTALLATION, with_for_update=True)
            before = None if row is None else Budget(row.amount, row.period)  # type: ignore[arg-type]
            if budget is None and row is not None:
                session.delete(row)
            elif budget is not None:
                session.merge(BudgetRow(scope=INSTALLATION, amount=budget.amount, period=budget.period))
            record(session, actor, "budget.change", INSTALLATION, _facts(before), _facts(budget))
            # In the order of their names, as whoever raises both does.
            raise_epoch(session, "auth")
            raise_epoch(session, "catalogue")

        self._database.write(work)


def _facts(budget: Budget | None) -> Facts | None:
    return None if budget is None else {"amount": budget.amount, "period": budget.period}
