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
            put_budget(session, budget, actor)
            # In the order of their names, as whoever raises both does.
            raise_epoch(session, "auth")
            raise_epoch(session, "catalogue")

        self._database.write(work)


def held_budget(session: Session) -> Budget | None:
    """As it is, its row held until the transaction ends."""
    row = session.get(BudgetRow, INSTALLATION, with_for_update=True)
    return None if row is None else Budget(row.amount, row.period)  # type: ignore[arg-type]


def put_budget(session: Session, budget: Budget | None, actor: Actor) -> None:
    """Set it in the session's transaction, with its row in the audit."""
    before = held_budget(session)
    if budget is None and before is not None:
        session.delete(session.get_one(BudgetRow, INSTALLATION))
    elif budget is not None:
        session.merge(BudgetRow(scope=INSTALLATION, amount=budget.amount, period=budget.period))
    record(session, actor, "budget.change", INSTALLATION, _facts(before), _facts(budget))


def _facts(budget: Budget | None) -> Facts | None:
    return None if budget is None else {"amount": budget.amount, "period": budget.period}
