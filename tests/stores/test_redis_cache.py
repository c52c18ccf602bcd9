"""Kept answers in Redis, and claims on what is being asked: on the real server and on the embedded one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import gevent
import pytest

from app.domain.policies.cache_key import CacheKey
from app.stores.cache import LONGEST, HotCache
from app.stores.scripts import ScriptRunner
from tests.stores.redis_support import KINDS, runner_of, until

LIFE = 60_000


@pytest.fixture(params=KINDS)
def runner(request: pytest.FixtureRequest) -> Iterator[ScriptRunner]:
    runner = runner_of(request.param)
    _empty(runner)
    yield runner
    _empty(runner)
    runner.close()


def _empty(runner: ScriptRunner) -> None:
    for pattern in ("v1:cache*", "v1:flight:*", "v1:try:cache-*"):
        if names := runner.command("KEYS", pattern):
            runner.command("DEL", *names)


@pytest.fixture
def cache(runner: ScriptRunner) -> HotCache:
    return HotCache(runner, 100_000)


def key(tenant: str = "u1") -> CacheKey:
    return CacheKey(tenant, uuid.uuid4().hex * 2)


def test_what_is_kept_is_found_and_by_its_tenant_alone(cache: HotCache) -> None:
    one = key()
    assert cache.keep(one, b"answer", LIFE)
    assert cache.look(one, "a", 1000).body == b"answer"
    assert cache.look(CacheKey("u2", one.digest), "a", 1000).state == "mine"


def test_the_first_who_misses_is_to_ask_and_the_others_wait_for_its_answer(cache: HotCache) -> None:
    one = key()
    assert cache.look(one, "a", 5000).state == "mine"
    assert cache.look(one, "a", 5000).state == "mine"
    assert cache.look(one, "b", 5000).state == "busy"
    cache.keep(one, b"answer", LIFE, asker="a")
    assert cache.look(one, "b", 5000).state == "hit"


def test_who_lets_go_frees_its_own_claim_alone(cache: HotCache) -> None:
    one = key()
    cache.look(one, "a", 5000)
    cache.let_go(one, "b")
    assert cache.look(one, "b", 5000).state == "busy"
    cache.let_go(one, "a")
    assert cache.look(one, "b", 5000).state == "mine"


def test_a_claim_lapses_unless_it_is_renewed(cache: HotCache) -> None:
    one, other = key(), key()
    for each in (one, other):
        cache.look(each, "a", 200)
    cache.renew({one: "a", other: "somebody else"}, 5000)
    until(lambda: cache.look(other, "b", 200).state == "mine")
    assert cache.look(one, "b", 200).state == "busy"


def test_what_expires_is_gone_and_no_longer_counted(cache: HotCache, runner: ScriptRunner) -> None:
    one, other = key(), key()
    cache.keep(one, b"answer", 30)
    until(lambda: cache.look(one, "a", 1000).state == "mine")
    cache.keep(other, b"answer", LIFE)
    assert runner.command("ZCARD", "v1:caches") == 1
    assert int(runner.command("GET", "v1:caches:bytes")) == _bytes(runner)


def _bytes(runner: ScriptRunner) -> int:
    return sum(int(size) for size in runner.command("HVALS", "v1:caches:sizes"))


def test_the_oldest_go_where_there_are_too_many_bytes(runner: ScriptRunner) -> None:
    small = HotCache(runner, 5_000)
    keys = [key() for _ in range(10)]
    for place, each in enumerate(keys):
        assert small.keep(each, b"x" * 700, LIFE + place)
    found = [small.look(each, "a", 1).state == "hit" for each in keys]
    assert found == [False] * (10 - sum(found)) + [True] * sum(found)
    assert 3 <= sum(found) <= 6
    assert int(runner.command("GET", "v1:caches:bytes")) == _bytes(runner) <= 5_000


def test_keeping_again_counts_once(cache: HotCache, runner: ScriptRunner) -> None:
    one = key()
    for size in (500, 50, 5_000):
        cache.keep(one, b"x" * size, LIFE)
    assert cache.look(one, "a", 1).body == b"x" * 5_000
    assert runner.command("HLEN", "v1:caches:sizes") == 1
    assert int(runner.command("GET", "v1:caches:bytes")) == _bytes(runner)


def test_what_comes_from_sql_replaces_nothing(cache: HotCache) -> None:
    one = key()
    cache.keep(one, b"newer", LIFE)
    assert not cache.keep(one, b"older", LIFE, refilled=True)
    assert cache.look(one, "a", 1).body == b"newer"


def test_what_is_too_long_or_over_is_not_kept_and_nobody_waits_for_it(cache: HotCache, runner: ScriptRunner) -> None:
    one = key()
    for refused in (lambda: cache.keep(one, b"x" * (LONGEST + 1), LIFE, asker="a"), lambda: cache.keep(one, b"x", 0)):
        cache.look(one, "a", 5000)
        assert not refused()
        cache.let_go(one, "a")
        assert cache.look(one, "b", 5000).state == "mine"
        cache.let_go(one, "b")
    assert not HotCache(runner, 100).keep(one, b"x" * 101, LIFE)


def test_what_is_dropped_is_not_found(cache: HotCache, runner: ScriptRunner) -> None:
    one, other = key(), key()
    for each in (one, other):
        cache.keep(each, b"answer", LIFE)
    cache.drop([one, key()])
    cache.drop([])
    assert cache.look(one, "a", 1).state == "mine"
    assert cache.look(other, "a", 1).state == "hit"
    assert int(runner.command("GET", "v1:caches:bytes")) == _bytes(runner)


@pytest.mark.parametrize("name", ["v1:caches", "v1:caches:sizes", "v1:caches:bytes"])
def test_a_key_of_another_type_is_thrown_away(cache: HotCache, runner: ScriptRunner, name: str) -> None:
    runner.command("LPUSH", name, "what is this")
    one = key()
    assert cache.keep(one, b"answer", LIFE)
    assert cache.look(one, "a", 1).state == "hit"
    runner.command("DEL", f"v1:cache:{one.tenant}:{one.digest}")
    runner.command("LPUSH", f"v1:cache:{one.tenant}:{one.digest}", "what is this")
    runner.command("LPUSH", f"v1:flight:{one.tenant}:{one.digest}", "what is this")
    assert cache.look(one, "a", 5000).state == "mine"
    assert cache.look(one, "b", 5000).state == "busy"


def test_a_miss_tells_whether_all_of_sql_is_here(cache: HotCache) -> None:
    assert cache.look(key(), "a", 1).cold
    assert not cache.filled
    cache.mark_filled()
    assert cache.filled
    assert not cache.look(key(), "a", 1).cold


def test_one_worker_of_all_has_it_to_do(cache: HotCache) -> None:
    assert cache.claim("fill", 60)
    assert not cache.claim("fill", 60)
    assert cache.claim("sweep", 60)


def test_many_at_once_find_one_to_ask(cache: HotCache) -> None:
    one = key()
    looks = [gevent.spawn(cache.look, one, f"a{n}", 5000) for n in range(100)]
    gevent.joinall(looks)
    assert sorted(look.value.state for look in looks) == ["busy"] * 99 + ["mine"]
