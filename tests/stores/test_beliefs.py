"""What was learned is kept, shared by workers, and no batch is lost or counted twice."""

from __future__ import annotations

import random
from threading import Thread

import pytest

from app.domain.errors import Unavailable
from app.domain.policies.bandit import Book
from app.domain.policies.evidence import answered, complained, rated
from app.domain.routing import Outcome
from app.domain.usage import Usage
from app.repositories.beliefs import FORGOTTEN, BeliefRows
from app.repositories.database import Database
from app.repositories.group_commit import GroupCommit
from tests.stores.sql_support import chat

WEEK = 7 * 86_400.0
NOW = 1_800_000_000.0


def outcomes(n: int, seed: int = 1) -> list[Outcome]:
    dice, found = random.Random(seed), []
    for _ in range(n):
        where = dice.choice(["code", "chat"]), f"p/{dice.choice('ab')}", f"user-{dice.randrange(5)}"
        found.append(answered(*where, Usage(10, 20), 500))  # type: ignore[arg-type]
        if dice.random() < 0.3:
            found.append(complained(*where))  # type: ignore[arg-type]
        if dice.random() < 0.3:
            found.append(rated(*where, dice.randint(1, 5), None))  # type: ignore[arg-type]
    return found


def test_batches_come_to_what_they_would_in_memory(database: Database) -> None:
    rows, book = BeliefRows(database), Book()
    for n in range(6):
        batch = outcomes(20, seed=n)
        rows.learn(batch, NOW + n * 3600, WEEK)
        book.learn(batch, NOW + n * 3600, WEEK)
    found = rows.all()
    for (kind, model), arm in book.arms.items():
        kept = found[kind][model]
        assert (kept.good, kept.weight, kept.ms) == pytest.approx((arm.good, arm.weight, arm.ms))
        assert (kept.samples, kept.last_user) == (arm.samples, arm.last_user)


def test_workers_that_learn_at_once_lose_nothing(database: Database) -> None:
    def work(seed: int) -> None:
        rows = BeliefRows(database)
        for n in range(5):
            rows.learn(outcomes(10, seed=seed * 100 + n), NOW, WEEK)

    threads = [Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    told = [one for seed in range(4) for n in range(5) for one in outcomes(10, seed=seed * 100 + n)]
    kept = sum(arm.samples for arms in BeliefRows(database).all().values() for arm in arms.values())
    assert kept == len(told)


def test_faded_parts_of_users_are_dropped(database: Database) -> None:
    rows = BeliefRows(database)
    rows.learn(outcomes(10), NOW, WEEK)
    rows.prune(NOW + (FORGOTTEN - 1) * WEEK, WEEK)
    assert rows_of(database) > 0
    rows.prune(NOW + (FORGOTTEN + 1) * WEEK, WEEK)
    assert rows_of(database) == 0


def rows_of(database: Database) -> int:
    from sqlalchemy import func, select

    from app.models.routing import BanditShare

    return database.read(lambda session: session.scalar(select(func.count()).select_from(BanditShare)) or 0)


def test_a_question_is_found_for_its_user_alone(database: Database) -> None:
    commits = GroupCommit(database, timeout=10)
    kept, bare = chat("home", new=True, question="Why?"), chat()
    commits.submit(kept)
    commits.submit(bare)
    commits.close()
    rows = BeliefRows(database)
    assert rows.answer("user-1", kept.row.prompt_id) == ("demo/m", "Why?")
    assert rows.answer("user-1", bare.row.prompt_id) == ("demo/m", None)
    assert rows.answer("user-2", kept.row.prompt_id) is None


def test_while_the_database_is_away_nothing_is_learned() -> None:
    with pytest.raises(Unavailable):
        BeliefRows(Database("postgresql://nobody@127.0.0.1:9/none")).learn(outcomes(1), NOW, WEEK)
