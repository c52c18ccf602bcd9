"""The cache in a chat's way: where its stores are away, where what is kept is damaged, where equals ask at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import gevent

from app.domain.cached import CacheEntry, Look
from app.domain.chat import ChatRequest, ConversationRef
from app.domain.errors import Unavailable
from app.domain.events import CacheLook, ChatEvent, Delta, Done, Failed
from app.domain.policies.cache_key import CacheKey
from app.services.chat.cache_writing import CacheWriter
from app.services.chat.caching import ChatCache
from app.services.chat.nearness import Nearness
from app.utils.cancel import CLIENT_GONE, Cancel
from app.utils.ids import new_public_id
from tests.unit.chat.chat_house import ChatHouse, Speaker, request, whole


class Kept:
    """Both stores in memory. away: neither answers."""

    def __init__(self) -> None:
        self.hot: dict[CacheKey, bytes] = {}
        self.rows: dict[CacheKey, CacheEntry] = {}
        self.claims: dict[CacheKey, str] = {}
        self.away = False
        self.sql_away = False
        self.cold = False

    def look(self, key: CacheKey, asker: str, lease_ms: int) -> Look:
        self._check()
        if key in self.hot:
            return Look("hit", self.hot[key])
        if self.claims.setdefault(key, asker) != asker:
            return Look("busy", cold=self.cold)
        return Look("mine", cold=self.cold)

    def keep(self, key: CacheKey, body: bytes, life_ms: int, *, asker: str = "", refilled: bool = False) -> bool:
        self._check()
        self.hot[key] = body
        self.let_go(key, asker)
        return True

    def drop(self, keys: Sequence[CacheKey]) -> None:
        self._check()
        for key in keys:
            self.hot.pop(key, None)

    def let_go(self, key: CacheKey, asker: str) -> None:
        self._check()
        if self.claims.get(key) == asker:
            del self.claims[key]

    def renew(self, askers: Mapping[CacheKey, str], lease_ms: int) -> None:
        self._check()

    def find(self, key: CacheKey, now: datetime) -> tuple[bytes, datetime] | None:
        if self.sql_away:
            raise Unavailable("sql is away")
        row = self.rows.get(key)
        return None if row is None else (row.body, row.expires_at)

    def _check(self) -> None:
        if self.away:
            raise Unavailable("redis is away")


class Rows:
    def __init__(self, kept: Kept) -> None:
        self.kept = kept

    def keep(self, entries: Sequence[CacheEntry]) -> set[CacheKey]:
        if self.kept.sql_away:
            raise Unavailable("sql is away")
        self.kept.rows |= {entry.key: entry for entry in entries}
        return {entry.key for entry in entries}

    def find(self, key: CacheKey, now: datetime) -> tuple[bytes, datetime] | None:
        return self.kept.find(key, now)


def house(kept: Kept, **speakers: Speaker) -> tuple[ChatHouse, list[bool]]:
    looked: list[bool] = []
    near = Nearness(cast(Any, None), cast(Any, None), unasked=False, threshold=0.95)

    def at_once(work: Callable[..., None], *args: object) -> bool:
        work(*args)
        return True

    writer = CacheWriter(kept, Rows(kept), near, ttl=60, later=at_once)
    cache = ChatCache(kept, Rows(kept), writer, near, unasked=frozenset({"app"}), later=at_once, looked=looked.append)
    return ChatHouse(cache=cache, **speakers), looked


def asked(text: str = "hello", **more: Any) -> ChatRequest:
    return request(text, ref=ConversationRef(new_public_id(), must_exist=False, fresh=True), **more)


def heard(built: ChatHouse, one: ChatRequest, cancel: Cancel | None = None) -> list[ChatEvent]:
    return list(built.orchestrator.run(one, cancel or built.cancel))


def hits(told: Sequence[ChatEvent]) -> list[bool]:
    return [event.hit for event in told if isinstance(event, CacheLook)]


def text(told: Sequence[ChatEvent]) -> str:
    return "".join(event.text for event in told if isinstance(event, Delta))


def test_the_second_of_two_equals_asks_nobody_and_costs_nothing() -> None:
    kept = Kept()
    built, looked = house(kept)
    first, second = heard(built, asked()), heard(built, asked())
    assert (hits(first), hits(second), looked) == ([False], [True], [False, True])
    assert text(first) == text(second)
    one, two = first[-1], second[-1]
    assert isinstance(one, Done)
    assert isinstance(two, Done)
    assert (one.cached, two.cached, two.charge, two.attempts) == (False, True, 0, 0)
    assert one.usage == two.usage
    assert len(built.speakers["alpha"].calls) == 1
    assert [(chat.row.cached, chat.row.charge == 0) for chat in built.book.rows] == [(False, False), (True, True)]
    assert [settlement.used_tokens > 0 for settlement in built.book.hot] == [True, False]


def test_without_redis_every_chat_is_answered_and_nothing_is_kept() -> None:
    kept = Kept()
    kept.away = True
    built, looked = house(kept)
    for _ in range(2):
        assert isinstance(heard(built, asked())[-1], Done)
    assert (looked, kept.hot, kept.rows) == ([False, False], {}, {})


def test_what_sql_does_not_take_is_not_kept_hot_either() -> None:
    kept = Kept()
    kept.sql_away = True
    built, _ = house(kept)
    heard(built, asked())
    assert (kept.hot, kept.rows) == ({}, {})


def test_fault_9_03_a_damaged_entry_is_a_miss_and_is_replaced() -> None:
    kept = Kept()
    built, looked = house(kept)
    heard(built, asked())
    (key,) = kept.hot
    good = kept.hot[key]
    for bad in (good[:-5], b"", b"c0" + good[2:], good.replace(b"one", b"two")):
        kept.hot[key] = bad
        told = heard(built, asked())
        assert hits(told) == [False]
        assert kept.hot[key] == good
    assert looked == [False] * 5


def test_a_cold_redis_is_no_reason_to_ask_again() -> None:
    kept = Kept()
    built, looked = house(kept)
    heard(built, asked())
    kept.hot.clear()
    kept.cold = True
    assert hits(heard(built, asked())) == [True]
    assert len(kept.hot) == 1
    kept.hot.clear()
    kept.sql_away = True
    assert hits(heard(built, asked())) == [False]
    assert looked == [False, True, False]


def test_a_failed_chat_leaves_no_claim() -> None:
    kept = Kept()
    broken = [Speaker([RuntimeError("a bug")]), Speaker(), Speaker()]
    built, _ = house(kept, alpha=broken[0], beta=broken[1], demo=broken[2])
    assert isinstance(heard(built, asked())[-1], Failed)
    assert kept.claims == {}
    assert kept.hot == {}


def test_fault_9_05_who_leaves_early_leaves_the_rest_to_the_others() -> None:
    kept = Kept()
    steps: list[int] = []

    def on_event(index: int) -> None:
        steps.append(index)
        gevent.sleep(0.01)

    speaker = Speaker(whole("a b c d e f g h i j k l"), on_event=on_event)
    built, _ = house(kept, alpha=speaker)
    cancels = [Cancel() for _ in range(4)]
    first = gevent.spawn(heard, built, asked(), cancels[0])
    while len(steps) < 3:
        gevent.sleep(0.001)
    rest = [gevent.spawn(heard, built, asked(), cancel) for cancel in cancels[1:]]
    gevent.sleep(0.005)
    cancels[0].cancel(CLIENT_GONE)
    gevent.joinall([first, *rest], timeout=5)
    gone = first.value[-1]
    assert isinstance(gone, Failed)
    assert gone.state == "client_gone"
    assert len(speaker.calls) == 1
    assert [isinstance(one.value[-1], Done) for one in rest] == [True] * 3
    assert {text(one.value) for one in rest} == {"a b c d e f g h i j k l "}
    charged = [chat.row for chat in built.book.rows if chat.row.charge]
    assert len(charged) == 1
    assert kept.claims == {}
    assert len(kept.hot) == 1


def test_fault_9_05_a_bug_in_a_shared_call_is_told_to_all() -> None:
    kept = Kept()

    def on_event(index: int) -> None:
        gevent.sleep(0.01)

    built, _ = house(kept, alpha=Speaker([Delta("a "), Delta("b "), RuntimeError("a bug")], on_event=on_event))
    chats = [gevent.spawn(heard, built, asked()) for _ in range(3)]
    gevent.joinall(chats, timeout=5)
    assert [one.value[-1].error.code for one in chats] == ["internal_error"] * 3
    assert len(built.book.rows) == 3
