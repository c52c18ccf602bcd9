"""The sums beside the ledger are the ledger's, whatever was submitted twice, at once, or undone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import gevent
import pytest
from sqlalchemy import text

from app.domain.policies import histogram
from app.domain.usage import Usage
from app.repositories.database import Database
from app.repositories.group_commit import GroupCommit
from app.repositories.histograms import unpack
from tests.stores.sql_support import chat, child

SUMS = (
    "requests", "cached", "fallback", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens",
    "charge", "latency_ms",
)  # fmt: skip
FROM_LEDGER = (
    "SELECT user_id, period, coalesce(key_id, '') AS key_id, model, count(*) AS requests,"
    " sum(CASE WHEN cached THEN 1 ELSE 0 END) AS cached, sum(CASE WHEN fallback THEN 1 ELSE 0 END) AS fallback,"
    " sum(prompt_tokens) AS prompt_tokens, sum(completion_tokens) AS completion_tokens,"
    " sum(cached_tokens) AS cached_tokens, sum(reasoning_tokens) AS reasoning_tokens,"
    " coalesce(sum(charge), 0) AS charge, sum(latency_ms) AS latency_ms"
    " FROM requests GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
)


@pytest.fixture
def commits(database: Database) -> Iterator[GroupCommit]:
    commits = GroupCommit(database, timeout=10)
    yield commits
    commits.close()


def rows(database: Database, query: str) -> list[Any]:
    found = database.read(lambda session: session.execute(text(query)).all())
    return [tuple(value if isinstance(value, str) else int(value) for value in row) for row in found]


def told(database: Database) -> list[Any]:
    return rows(database, f"SELECT user_id, day, key_id, model, {', '.join(SUMS)} FROM rollups ORDER BY 1, 2, 3, 4")


def any_chat(random: random.Random, **facts: Any) -> Any:
    return chat(
        user_id=random.choice(["ann", "ben"]),
        key_id=random.choice([None, "key-1"]),
        model=random.choice(["a", "b"]),
        cached=random.random() < 0.3,
        fallback=random.random() < 0.3,
        charge=random.choice([None, 0, 7, 2**40]),
        ttft_ms=random.choice([None, 3, 250]),
        latency_ms=random.randrange(20_000),
        usage=Usage(random.randrange(99), random.randrange(99), 1, 2, "provider"),
        created_at=datetime(2026, 11, random.choice([1, 2]), 23, 59, 59, tzinfo=UTC),
        **facts,
    )


def test_they_are_the_ledgers_sums_by_day_user_key_and_model(database: Database, commits: GroupCommit) -> None:
    chance = random.Random(1)
    gevent.joinall([gevent.spawn(commits.submit, any_chat(chance)) for _ in range(120)], timeout=30)
    assert sum(row[4] for row in told(database)) == 120
    assert told(database) == rows(database, FROM_LEDGER)


def test_fault_5_12_what_is_submitted_again_counts_once(database: Database, commits: GroupCommit) -> None:
    chance = random.Random(2)
    chats = [any_chat(chance) for _ in range(8)]
    for one in chats[:4]:
        commits.submit(one)
    gevent.joinall([gevent.spawn(commits.submit, one) for one in chats + chats[2:6]], timeout=30)
    assert sum(row[4] for row in told(database)) == 8
    assert told(database) == rows(database, FROM_LEDGER)


def test_chats_that_begin_go_on_in_and_replace_a_conversation_count_each(
    database: Database, commits: GroupCommit
) -> None:
    first = chat("c1", new=True, latency_ms=100, ttft_ms=None)
    commits.submit(first)
    commits.submit(chat("c1", latency_ms=200, ttft_ms=10))
    commits.submit(chat("c1", replaces=first.row.prompt_id, latency_ms=300, ttft_ms=10))
    assert told(database) == rows(database, FROM_LEDGER)
    found = database.read(lambda session: session.execute(text("SELECT latency, ttft FROM rollups")).one())
    latency, ttft = map(unpack, found)
    assert latency == histogram.one(100) + histogram.one(200) + histogram.one(300)
    assert ttft == 2 * histogram.one(10)


def test_a_chat_that_cannot_be_stored_counts_nothing(database: Database, commits: GroupCommit) -> None:
    bad, good = chat("c1", new=True, answer="\x00"), chat("c2", new=True)
    done = [gevent.spawn(commits.submit, one) for one in (bad, good)]
    gevent.joinall(done, timeout=30)
    assert [one.exception is None for one in done] == [False, True]
    assert told(database) == rows(database, FROM_LEDGER)
    assert sum(row[4] for row in told(database)) == 1


def test_fault_6_2_workers_that_count_the_same_sums_crosswise_do_not_block_each_other(postgres_url: str) -> None:
    """Three processes write groups over the same users and models, each in another order."""
    processes = [gevent.get_hub().threadpool.spawn(child, "count_crosswise", postgres_url, str(n)) for n in range(3)]
    assert [process.get(timeout=60) for process in processes] == [{"stored": 120}] * 3
    database = Database(postgres_url)
    assert told(database) == rows(database, FROM_LEDGER)
    assert sum(row[4] for row in told(database)) == 360
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    assert rows(database, deadlocks) == [(0,)]
    database.close()
