"""Reports from the rollups: what they sum, and how fast."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from app.domain.policies.histogram import percentile
from app.domain.reports import UsageRow
from app.domain.usage import Usage
from app.repositories.database import Database
from app.repositories.group_commit import GroupCommit
from app.repositories.reports import Reports
from bench.reports import fill, timings
from tests.stores.sql_support import chat


def stored(database: Database, *facts: dict[str, Any]) -> Reports:
    commits = GroupCommit(database, timeout=10)
    for some in facts:
        commits.submit(chat(**some))
    commits.close()
    return Reports(database)


def numbers(row: UsageRow) -> tuple[Any, ...]:
    return row.group, row.requests, row.prompt_tokens, row.completion_tokens, row.charge


def test_the_days_asked_for_are_meant_inclusively_and_by_utc(database: Database) -> None:
    late = {"created_at": datetime(2026, 11, 1, 23, 59, 59, 999_000, tzinfo=UTC), "charge": 5}
    early = {"created_at": datetime(2026, 11, 2, 0, 0, tzinfo=UTC), "charge": 7}
    reports = stored(database, late, early, early)
    assert [numbers(row) for row in reports.usage("day", "2026-11-01", "2026-11-02", "user-1")] == [
        ("2026-11-01", 1, 10, 20, 5),
        ("2026-11-02", 2, 20, 40, 14),
    ]
    assert [row.group for row in reports.usage("day", "2026-11-02", "2026-11-02", None)] == ["2026-11-02"]


def test_a_user_is_summed_alone_and_nobody_is_summed_as_everybody(database: Database) -> None:
    used = Usage(1, 2, 0, 0, "counted")
    reports = stored(database, {"user_id": "ann", "usage": used}, {"user_id": "ben"}, {"user_id": "ben", "model": "n"})
    assert [numbers(row)[:2] for row in reports.usage("model", "2000-01-01", "2999-01-01", "ann")] == [("m", 1)]
    assert [numbers(row)[:2] for row in reports.usage("user", "2000-01-01", "2999-01-01", None)] == [
        ("ben", 2),
        ("ann", 1),
    ]
    assert [(row.model, row.requests) for row in reports.totals(None)] == [("m", 2), ("n", 1)]
    assert reports.totals("nobody") == []


def test_charges_past_what_a_double_holds_are_summed_exactly(database: Database) -> None:
    reports = stored(database, *({"charge": 2**53 + 1} for _ in range(3)))
    (row,) = reports.usage("model", "2000-01-01", "2999-01-01", None)
    assert row.charge == 3 * (2**53 + 1)


def test_percentiles_are_those_of_all_chats_of_the_group(database: Database) -> None:
    reports = stored(database, *({"latency_ms": 100 * n, "ttft_ms": None if n % 2 else n} for n in range(1, 41)))
    (row,) = reports.usage("model", "2000-01-01", "2999-01-01", None)
    for share, true in ((0.5, 2_000), (0.95, 3_800)):
        told = percentile(row.latency, share)
        assert told is not None
        assert 0.85 * true <= told <= 1.15 * true
    assert percentile(row.ttft, 0.5) in range(17, 24)


def test_a_million_chats_are_reported_in_a_tenth_of_a_second(database: Database) -> None:
    rows = fill(database)
    assert rows == 13_500
    # SQLite works in this process, whose own time other work on the machine does not lengthen.
    clock = time.process_time if database.is_sqlite else time.perf_counter
    slow = {name: best for name, (best, _) in timings(database, clock).items() if best > 100}
    assert slow == {}
