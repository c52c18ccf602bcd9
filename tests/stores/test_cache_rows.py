"""Kept answers in SQL, on both engines, and their keeping over both stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.cached import CacheEntry, NearMeans
from app.domain.errors import NotFound
from app.domain.policies.cache_key import CacheKey
from app.models.chat import Conversation
from app.repositories.cache import PAGE, CacheRows
from app.repositories.conversations import Conversations
from app.repositories.database import Database
from app.services.chat.cache_keeping import CacheKeeping
from app.stores.cache import HotCache
from app.stores.embedded import EmbeddedRedis
from app.utils.ids import new_id

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MB = 2**20


@pytest.fixture
def rows(database: Database) -> CacheRows:
    return CacheRows(database)


def entry(digest: str = "a", **facts: Any) -> CacheEntry:
    given: dict[str, Any] = {
        "key": CacheKey(facts.pop("tenant", "u1"), digest.rjust(64, "0")),
        "body": b"answer",
        "created_at": NOW,
        "expires_at": NOW + timedelta(hours=1),
    }
    return CacheEntry(**given | facts)


def conversation(database: Database, user: str = "u1") -> str:
    row_id = new_id()
    row = {"user_id": user, "public_id": row_id, "title": "", "created_at": NOW, "updated_at": NOW}
    database.write(lambda session: session.add(Conversation(id=row_id, **row)))
    return row_id


def test_what_is_kept_is_found_until_it_expires(rows: CacheRows) -> None:
    one = entry()
    assert rows.keep([one]) == {one.key}
    assert rows.find(one.key, NOW) == (b"answer", one.expires_at)
    assert rows.find(one.key, one.expires_at) is None
    assert rows.find(CacheKey("u2", one.key.digest), NOW) is None


def test_an_answer_takes_the_place_of_an_older_one(rows: CacheRows) -> None:
    rows.keep([entry(near=NearMeans("s", "old"))])
    rows.keep([entry(body=b"newer", near=NearMeans("s", "old"))])
    assert (rows.find(entry().key, NOW) or (b"",))[0] == b"newer"
    assert rows.count("u1", NOW) == 1


def test_counts_are_a_users_own_or_everybodys(rows: CacheRows) -> None:
    rows.keep([entry("a")])
    rows.keep([entry("b", tenant="u2")])
    rows.keep([entry("c", expires_at=NOW)])
    assert (rows.count("u1", NOW), rows.count("u2", NOW), rows.count("u3", NOW), rows.count(None, NOW)) == (1, 1, 0, 2)


def test_fault_9_04_near_questions_are_looked_for_among_the_users_own_alone(rows: CacheRows) -> None:
    mine = entry("a", near=NearMeans("scope", "mine?", "wordllama", b"\0\0\0\0"))
    rows.keep([mine])
    rows.keep([entry("b", near=NearMeans("other scope", "elsewhere?"))])
    rows.keep([entry("c", near=NearMeans("scope", "over?"), expires_at=NOW)])
    rows.keep([entry("d", tenant="u2", near=NearMeans("scope", "theirs?"))])
    rows.keep([entry("e")])
    (found,) = rows.near("u1", "scope", "wordllama", NOW)
    assert (found.key, found.question, found.vector) == (mine.key, "mine?", b"\0\0\0\0")
    (by_another,) = rows.near("u1", "scope", "another embedder", NOW)
    assert by_another.vector is None


def test_fault_9_06_what_was_said_in_a_deleted_conversation_is_not_kept(rows: CacheRows, database: Database) -> None:
    row_id = conversation(database)
    one = entry("a", conversation=row_id)
    assert rows.keep([one]) == {one.key}
    assert rows.of_conversation(row_id) == [entry("a").key]
    Conversations(database).delete("u1", row_id, NOW)
    others = [entry("b", conversation=row_id), entry("c", conversation=new_id()), entry("d")]
    assert rows.keep(others) == {entry("d").key}, "deleted, or not in SQL yet"
    assert rows.find(entry("b").key, NOW) is None


def test_fault_9_06_forgetting_reaches_both_stores(rows: CacheRows, database: Database) -> None:
    hot = HotCache(EmbeddedRedis(), MB)
    keeping = CacheKeeping(hot, rows, MB, now=lambda: NOW)
    row_id = conversation(database)
    one, other = entry("a", conversation=row_id), entry("b")
    for each in (one, other):
        rows.keep([each])
        hot.keep(each.key, each.body, 60_000)
    keeping.forget("u1", "public", row_id)
    assert rows.find(one.key, NOW) is None
    assert hot.look(one.key, "x", 1).state == "mine"
    assert hot.look(other.key, "x", 1).state == "hit"


def test_a_redis_that_was_emptied_is_given_all_that_still_lives(rows: CacheRows) -> None:
    for n in range(PAGE + 50):
        rows.keep([entry(str(n), expires_at=NOW + timedelta(minutes=1 + n % 7))])
    over = entry("over", expires_at=NOW)
    rows.keep([over])
    hot = HotCache(EmbeddedRedis(), MB)
    newer = entry("3").key
    hot.keep(newer, b"newer", 60_000)
    CacheKeeping(hot, rows, MB, now=lambda: NOW).fill()
    assert hot.filled
    assert all(hot.look(entry(str(n)).key, "x", 1).state == "hit" for n in range(PAGE + 50))
    assert hot.look(newer, "x", 1).body == b"newer"
    assert hot.look(over.key, "x", 1).state == "mine"


def test_fault_9_06_filling_brings_nothing_back_that_is_deleted_meanwhile(rows: CacheRows) -> None:
    one, other = entry("a"), entry("b")
    for each in (one, other):
        rows.keep([each])

    class Deleted(HotCache):
        """The moment between reading SQL and writing here is when it is deleted."""

        def keep(self, key: CacheKey, body: bytes, life_ms: int, *, asker: str = "", refilled: bool = False) -> bool:
            rows.drop([one.key])
            return super().keep(key, body, life_ms, asker=asker, refilled=refilled)

    hot = Deleted(EmbeddedRedis(), MB)
    CacheKeeping(hot, rows, MB, now=lambda: NOW).fill()
    assert hot.look(one.key, "x", 1).state == "mine"
    assert hot.look(other.key, "x", 1).state == "hit"


def test_the_sweep_takes_what_expired_and_the_oldest_of_too_much(rows: CacheRows) -> None:
    for n in range(PAGE + 20):
        rows.keep([entry(f"old{n}", expires_at=NOW - timedelta(seconds=1))])
    for n in range(10):
        rows.keep([entry(f"new{n}", body=b"x" * 1000, expires_at=NOW + timedelta(minutes=n + 1))])
    hot = HotCache(EmbeddedRedis(), MB)
    for n in range(10):
        hot.keep(entry(f"new{n}").key, b"x", 60_000)
    CacheKeeping(hot, rows, 4_500, now=lambda: NOW).sweep()
    assert rows.count(None, NOW - timedelta(hours=1)) == 4
    kept = [rows.find(entry(f"new{n}").key, NOW) is not None for n in range(10)]
    assert kept == [False] * 6 + [True] * 4
    assert [hot.look(entry(f"new{n}").key, "x", 1).state == "hit" for n in range(10)] == kept


def test_a_conversation_can_be_deleted_while_answers_are_kept(rows: CacheRows, database: Database) -> None:
    row_id = conversation(database)
    rows.keep([entry(conversation=row_id)])
    Conversations(database).delete("u1", row_id, NOW)
    with pytest.raises(NotFound):
        Conversations(database).delete("u1", row_id, NOW)
