from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert

from app.domain.caller import Budget
from app.models.ledger import Request
from app.repositories.database import Database
from app.repositories.spending import Spending
from app.utils.ids import new_id
from tests import accounts_fixtures

database, postgres_url = accounts_fixtures.database, accounts_fixtures.postgres_url
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def _spend(database: Database, user_id: str, key_id: str | None, period: str, charge: int | None) -> None:
    row: dict[str, object] = dict.fromkeys(column.name for column in Request.__table__.columns)
    row |= dict.fromkeys(
        (
            "prompt_tokens",
            "completion_tokens",
            "cached_tokens",
            "reasoning_tokens",
            "skipped_chunks",
            "latency_ms",
            "lost",
        ),
        0,
    )
    row |= dict.fromkeys(("door", "model", "provider", "state", "usage_source"), "x")
    row |= {"prompt_id": new_id(), "user_id": user_id, "key_id": key_id, "period": period, "charge": charge}
    row |= {"cached": False, "fallback": False, "created_at": NOW}
    database.write(lambda session: session.execute(insert(Request), [row]) and None)


@pytest.mark.parametrize(("period", "spent"), [("day", 1), ("month", 3), ("total", 2**53 + 3)])
def test_what_was_spent_is_counted_by_the_budgets_own_period(database: Database, period: str, spent: int) -> None:
    user, key, spending = new_id(), new_id(), Spending(database)
    for day, charge in (("2026-11-21", 1), ("2026-11-01", 2), ("2026-10-31", 2**53), ("2026-11-21", None)):
        _spend(database, user, key, day, charge)
    _spend(database, new_id(), None, "2026-11-21", 5)
    budget = Budget(10**9, period)  # type: ignore[arg-type]
    assert spending.of_user(user, budget, NOW) == spent
    assert spending.of_key(key, budget, NOW) == spent


def test_who_spent_nothing_spent_nothing(database: Database) -> None:
    assert Spending(database).of_user(new_id(), Budget(1, "month"), NOW) == 0
