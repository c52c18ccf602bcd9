"""The claims of idempotency keys, with each store there and away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.domain.errors import IdempotencyConflict, Unavailable
from app.domain.idempotency import Busy, KeptAnswer, KeyedRequest, fingerprint
from app.repositories.conversations import Conversations
from app.repositories.database import Database
from app.repositories.group_commit import GroupCommit
from app.repositories.idempotency import SWEPT, IdempotencyRows
from app.services.chat.idempotency import Idempotency, Lead
from app.stores.group_trip import GroupTrip
from app.stores.idempotency import LONGEST, HotClaims
from app.stores.scripts import ScriptRunner
from app.utils.clock import utcnow
from app.utils.ids import new_id
from tests.stores.redis_support import KINDS, runner_of, until
from tests.stores.sql_support import chat

LEASE = 0.3
HEADERS = (("x-model", "m"), ("cache-control", "no-store"))
NOWHERE = "redis://127.0.0.1:1/0"


def asked(key: str | None = None, body: bytes = b"{}", scope: str = "key:1") -> KeyedRequest:
    return KeyedRequest(scope, key or new_id(), fingerprint("POST", "/chat", "", body), new_id(), "user-1")


def again(request: KeyedRequest, body: bytes = b"{}") -> KeyedRequest:
    """The same request, sent once more."""
    return replace(request, owner=new_id(), fingerprint=fingerprint("POST", "/chat", "", body))


def lead(claims: Idempotency, request: KeyedRequest) -> Lead:
    found = claims.begin(request)
    assert isinstance(found, Lead)
    return found


def kept(claims: Idempotency, request: KeyedRequest) -> KeptAnswer:
    found = claims.begin(request)
    assert isinstance(found, KeptAnswer)
    return found


@pytest.fixture(params=KINDS)
def runner(request: pytest.FixtureRequest) -> Iterator[ScriptRunner]:
    runner = runner_of(request.param)
    yield runner
    runner.close()


@pytest.fixture
def rows(database: Database) -> IdempotencyRows:
    return IdempotencyRows(database)


@pytest.fixture
def claims(runner: ScriptRunner, rows: IdempotencyRows) -> Idempotency:
    return Idempotency(HotClaims(runner), rows, lease=LEASE)


@pytest.fixture
def no_redis(rows: IdempotencyRows) -> Idempotency:
    return Idempotency(HotClaims(GroupTrip(NOWHERE)), rows, lease=LEASE)


@pytest.fixture
def nothing() -> IdempotencyRows:
    return IdempotencyRows(Database("postgresql://postgres@127.0.0.1:1/none"))


def test_the_first_leads_others_wait_and_then_all_have_its_answer(claims: Idempotency) -> None:
    first = asked()
    leader = lead(claims, first)
    assert claims.begin(again(first)) == Busy(first.owner)
    leader.keep(200, "text/event-stream", HEADERS, b"data: \x00\n\n")
    expected = KeptAnswer(first.owner, 200, "text/event-stream", HEADERS, b"data: \x00\n\n")
    found = kept(claims, again(first))
    assert replace(found, headers=tuple(sorted(found.headers))) == replace(expected, headers=tuple(sorted(HEADERS)))
    leader.fail()
    assert kept(claims, again(first)).body == expected.body


def test_another_request_under_the_key_is_a_conflict_before_and_after(claims: Idempotency) -> None:
    first = asked()
    leader = lead(claims, first)
    with pytest.raises(IdempotencyConflict):
        claims.begin(again(first, b"other"))
    leader.keep(200, "", (), b"x")
    with pytest.raises(IdempotencyConflict):
        claims.begin(again(first, b"other"))


def test_what_failed_leaves_the_key_free(claims: Idempotency) -> None:
    first = asked()
    lead(claims, first).fail()
    lead(claims, again(first, b"other")).fail()


def test_one_who_waits_is_seen(claims: Idempotency) -> None:
    first = asked()
    leader = lead(claims, first)
    assert not leader.wanted()
    claims.begin(again(first))
    assert leader.wanted()
    leader.fail()
    assert not leader.wanted()
    assert isinstance(claims.begin(again(first)), Lead)


def test_fault_5_15_a_lapsed_claim_is_taken_over_and_the_old_owner_keeps_nothing(claims: Idempotency) -> None:
    first = asked()
    dead = lead(claims, first)
    second = again(first)
    found: list[Lead] = []

    def taken() -> bool:
        now = claims.begin(second)
        found.extend([now] if isinstance(now, Lead) else [])
        return bool(found)

    assert not taken()
    until(taken)
    dead.keep(200, "", (), b"old")
    assert claims.begin(again(first)) == Busy(second.owner)
    found[0].keep(200, "", (), b"new")
    assert kept(claims, again(first)).body == b"new"


def test_a_claim_that_is_renewed_does_not_lapse(claims: Idempotency) -> None:
    first = asked()
    leader = lead(claims, first)
    end = utcnow() + timedelta(seconds=3 * LEASE)
    while utcnow() < end:
        claims.renew()
        assert isinstance(claims.begin(again(first)), Busy)
    leader.fail()


def test_redis_emptied_meanwhile_changes_nothing(claims: Idempotency, runner: ScriptRunner) -> None:
    first = asked()
    leader = lead(claims, first)
    runner.command("DEL", f"v1:idem:{first.scope}:{first.key}")
    assert claims.begin(again(first)) == Busy(first.owner)
    claims.renew()
    assert claims.begin(again(first)) == Busy(first.owner)
    leader.keep(200, "", (), b"x")
    runner.command("DEL", f"v1:idem:{first.scope}:{first.key}")
    assert kept(claims, again(first)).body == b"x"
    assert kept(claims, again(first)).body == b"x"


@pytest.mark.parametrize("kind", ["string", "list", "half"])
def test_a_record_that_is_none_is_thrown_away(claims: Idempotency, runner: ScriptRunner, kind: str) -> None:
    first = asked()
    name = f"v1:idem:{first.scope}:{first.key}"
    words = {"string": ("SET", name, "x"), "list": ("RPUSH", name, "x"), "half": ("HSET", name, "fp", "x")}
    runner.command(*words[kind])
    lead(claims, first).keep(200, "", (), b"x")
    assert kept(claims, again(first)).body == b"x"


def test_fault_5_15_with_redis_away_sql_decides(no_redis: Idempotency, rows: IdempotencyRows) -> None:
    first = asked()
    leader = lead(no_redis, first)
    assert leader.wanted(), "who waits cannot be seen"
    assert no_redis.begin(again(first)) == Busy(first.owner)
    with pytest.raises(IdempotencyConflict):
        no_redis.begin(again(first, b"other"))
    leader.keep(200, "a/b", HEADERS, b"x")
    assert kept(no_redis, again(first)).body == b"x"
    back = Idempotency(HotClaims(runner_of("embedded")), rows, lease=LEASE)
    assert kept(back, again(first)).content_type == "a/b"


def test_with_the_database_away_redis_decides(runner: ScriptRunner, nothing: IdempotencyRows) -> None:
    claims = Idempotency(HotClaims(runner), nothing, lease=LEASE)
    first = asked()
    leader = lead(claims, first)
    assert claims.begin(again(first)) == Busy(first.owner)
    leader.keep(200, "", (), b"x")
    assert kept(claims, again(first)).body == b"x"


def test_with_the_database_away_an_answer_too_long_for_redis_leaves_the_key_free(
    runner: ScriptRunner, nothing: IdempotencyRows
) -> None:
    claims = Idempotency(HotClaims(runner), nothing, lease=LEASE)
    first = asked()
    lead(claims, first).keep(200, "", (), b"x" * (LONGEST + 1))
    lead(claims, again(first)).fail()


def test_fault_5_15_with_both_stores_away_nobody_can_tell(nothing: IdempotencyRows) -> None:
    claims = Idempotency(HotClaims(GroupTrip(NOWHERE)), nothing)
    with pytest.raises(Unavailable):
        claims.begin(asked())


def test_a_long_answer_is_read_from_sql(claims: Idempotency, runner: ScriptRunner) -> None:
    first = asked()
    lead(claims, first).keep(200, "", (), b"x" * (LONGEST + 1))
    assert runner.command("HGET", f"v1:idem:{first.scope}:{first.key}", "ans") == b""
    assert len(kept(claims, again(first)).body) == LONGEST + 1


def test_a_deleted_conversations_answers_are_forgotten_and_no_others(claims: Idempotency) -> None:
    mine, other = asked(), asked()
    for request, conversation in ((mine, "gone"), (other, "stays")):
        leader = lead(claims, request)
        leader.conversation = conversation
        leader.keep(200, "", (), b"x")
    claims.forget("user-2", "gone")
    assert kept(claims, again(mine))
    claims.forget("user-1", "gone")
    lead(claims, again(mine)).fail()
    assert kept(claims, again(other))


def test_an_answer_in_a_conversation_that_was_deleted_meanwhile_is_not_kept(
    claims: Idempotency, database: Database
) -> None:
    commits = GroupCommit(database)
    commits.submit(chat("mine", new=True, public_id="talk"))
    request = asked()
    leader = lead(claims, request)
    leader.conversation = "talk"
    Conversations(database).delete("user-1", "talk", utcnow())
    leader.keep(200, "", (), b"x")
    late = lead(claims, again(request))
    commits.submit(chat("anew", new=True, public_id="talk"))
    late.conversation = "talk"
    late.keep(200, "", (), b"y")
    assert kept(claims, again(request)).body == b"y"
    commits.close()


def test_what_has_expired_is_swept_and_what_has_not_stays(claims: Idempotency, rows: IdempotencyRows) -> None:
    now = utcnow()
    for _ in range(SWEPT + 1):
        rows.claim(asked(), now, now - timedelta(seconds=1))
    running, done = asked(), asked()
    leader = lead(claims, running)
    lead(claims, done).keep(200, "", (), b"x")
    claims.sweep()
    assert rows.sweep(now) == 0
    assert kept(claims, again(done))
    leader.fail()


parts = some.tuples(some.text(max_size=8), some.text(max_size=8), some.text("a=&?%", max_size=8), some.binary())


@given(parts, parts)
def test_equal_requests_alone_have_equal_fingerprints(
    one: tuple[str, str, str, bytes], other: tuple[str, str, str, bytes]
) -> None:
    assert (fingerprint(*one) == fingerprint(*other)) == (one == other)


@given(some.text("ab", max_size=6), some.integers(0, 6), some.integers(0, 6))
def test_no_part_of_a_fingerprint_runs_into_the_next(text: str, left: int, right: int) -> None:
    one, other = sorted((min(left, len(text)), min(right, len(text))))
    assert (
        fingerprint("POST", text[:one], text[one:], b"") == fingerprint("POST", text[:other], text[other:], b"")
    ) == (one == other)
    assert (
        fingerprint("POST", "", text[:one], text[one:].encode())
        == fingerprint("POST", "", text[:other], text[other:].encode())
    ) == (one == other)
