from __future__ import annotations

import hashlib
import random
from typing import Any
from uuid import uuid4

import pytest

from app.domain.errors import RateLimited, Unavailable
from app.domain.policies.guessing import WINDOW_MS
from app.stores.embedded import EmbeddedRedis
from app.stores.group_trip import GroupTrip
from app.stores.login_guard import LoginGuard, OwnCounts, address_block
from tests import accounts_fixtures
from tests.accounts_house import REDIS

runner = accounts_fixtures.runner


def _somewhere() -> str:
    return f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(256)}"


def _wait(guard: LoginGuard, name: str | None, address: str) -> float:
    try:
        guard.look(name, address)
    except RateLimited as limited:
        return limited.retry_after or 0
    return 0


def _miss(guard: LoginGuard, name: str | None, address: str, times: int) -> None:
    for _ in range(times):
        guard.miss(name, address)


def _away() -> GroupTrip:
    return GroupTrip("redis://127.0.0.1:1")


@pytest.fixture(params=["embedded", "redis", "away"])
def store(request: pytest.FixtureRequest) -> Any:
    if request.param == "embedded":
        return EmbeddedRedis()
    return GroupTrip(REDIS, timeout=2) if request.param == "redis" else _away()


def test_fault_1_11_after_five_misses_a_name_waits_wherever_it_calls_from(store: Any) -> None:
    guard, name = LoginGuard(store), uuid4().hex
    for _ in range(4):
        _miss(guard, name, _somewhere(), 1)
    assert _wait(guard, name, _somewhere()) == 0
    _miss(guard, name, _somewhere(), 1)
    assert 14 < _wait(guard, name, _somewhere()) <= 15


def test_fault_1_11_after_sixty_misses_an_address_waits_whatever_the_name(store: Any) -> None:
    guard, address = LoginGuard(store), _somewhere()
    for _ in range(60):
        assert _wait(guard, "other", address) == 0
        guard.miss(uuid4().hex, address)
    assert 14 < _wait(guard, uuid4().hex, address) <= 15
    assert _wait(guard, None, address) > 14


def test_a_miss_during_the_wait_is_refused_and_not_counted(store: Any) -> None:
    guard, name = LoginGuard(store), uuid4().hex
    _miss(guard, name, _somewhere(), 5)
    for _ in range(10):
        with pytest.raises(RateLimited):
            guard.miss(name, _somewhere())
    assert _wait(guard, name, _somewhere()) <= 15


def test_the_right_password_is_not_told_during_the_wait(store: Any) -> None:
    guard, name = LoginGuard(store), uuid4().hex
    _miss(guard, name, _somewhere(), 5)
    with pytest.raises(RateLimited):
        guard.passed(name, _somewhere())


def test_the_right_password_forgives_the_name_and_not_the_address(store: Any) -> None:
    guard, name, address = LoginGuard(store, address_limit=5), uuid4().hex, _somewhere()
    _miss(guard, name, address, 4)
    guard.passed(name, address)
    _miss(guard, name, address, 1)
    assert _wait(guard, name, _somewhere()) == 0
    assert _wait(guard, uuid4().hex, address) > 0


def test_two_workers_count_together(runner: Any) -> None:
    one, two, name = LoginGuard(runner), LoginGuard(runner), uuid4().hex
    _miss(one, name, _somewhere(), 3)
    _miss(two, name, _somewhere(), 2)
    assert _wait(one, name, _somewhere()) > 0


def test_the_wait_doubles_with_each_miss_after_it(runner: Any) -> None:
    guard, name = LoginGuard(runner), uuid4().hex
    _miss(guard, name, _somewhere(), 5)
    for longest in (15, 30, 60, 120):
        assert longest - 2 < _wait(guard, name, _somewhere()) <= longest
        _age(runner, name, longest * 1000)
        _miss(guard, name, _somewhere(), 1)


def _age(runner: Any, name: str, by_ms: int) -> None:
    """Move the misses of a name into the past, as if the time had gone by."""
    key = f"v1:guess:name:{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    rows = runner.command("ZRANGE", key, 0, -1, "WITHSCORES")
    pairs = [each for pair in rows for each in pair] if rows and isinstance(rows[0], list) else rows
    for member, score in zip(pairs[::2], pairs[1::2], strict=True):
        runner.command("ZADD", key, int(float(score)) - by_ms, member)


def test_after_a_quarter_of_an_hour_all_is_forgotten(runner: Any) -> None:
    guard, name = LoginGuard(runner), uuid4().hex
    _miss(guard, name, _somewhere(), 5)
    _age(runner, name, WINDOW_MS)
    assert _wait(guard, name, _somewhere()) == 0


def test_the_script_and_a_worker_by_itself_say_the_same(runner: Any) -> None:
    ours, its_own = LoginGuard(runner), LoginGuard(_away())
    rolls, names = random.Random(7), [uuid4().hex for _ in range(4)]
    addresses = [_somewhere() for _ in range(2)]
    for _ in range(200):
        what = rolls.choice(["look", "miss", "miss", "passed"])
        name, address = rolls.choice(names), rolls.choice(addresses)
        answers = [_allowed(getattr(guard, what), name, address) for guard in (ours, its_own)]
        assert answers[0] == answers[1], (what, name, address)


def _allowed(ask: Any, name: str, address: str) -> bool:
    try:
        ask(name, address)
    except RateLimited:
        return False
    return True


def test_own_counts_keep_no_more_than_they_may() -> None:
    own = OwnCounts()
    for n in range(10_050):
        own.ask("miss", [f"k{n}"], [5], 0)
    assert len(own._misses) == 10_000
    assert own.ask("look", ["nobody"], [5], 0) == 0
    assert "nobody" not in own._misses


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_an_address_is_counted_as_what_one_subscriber_has(address: str, block: str) -> None:
    assert address_block(address) == block


def test_a_store_that_is_away_is_no_error_of_the_caller() -> None:
    with pytest.raises(Unavailable):
        _away().command("PING")
    LoginGuard(_away()).look("somebody", "192.0.2.1")
