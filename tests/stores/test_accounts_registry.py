"""What is remembered of callers, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.caller import Caller
from app.domain.errors import Unauthorized, Unavailable
from app.domain.hot import Epochs
from app.services.accounts import callers
from app.services.accounts.callers import CallerRegistry, UnknownKey
from app.stores.group_trip import GroupTrip
from tests import accounts_fixtures
from tests.accounts_fixtures import MakeHouse, Person, sign_in
from tests.accounts_house import House

make_house, house = accounts_fixtures.make_house, accounts_fixtures.house


@pytest.fixture
def person(house: House) -> Person:
    return Person(house)


@pytest.fixture
def trips(house: House, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry a read of the database."""
    made: list[str] = []
    read = house.database.read

    def counted(fn: Callable[[Any], Any], **more: Any) -> Any:
        made.append("read")
        return read(fn, **more)

    monkeypatch.setattr(house.database, "read", counted)
    return made


def _resolve(house: House, token: str) -> Caller:
    with house.app.app_context():
        return house.accounts.registry.resolve(token)


def _away(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(house.database, "read", fail)


def test_a_known_token_costs_no_trip(house: House, person: Person, trips: list[str]) -> None:
    tokens = (person.access, person.key()["key"])
    first = [_resolve(house, token) for token in tokens]
    trips.clear()
    for _ in range(100):
        assert [_resolve(house, token) for token in tokens] == first
    assert trips == []


def test_a_wrong_key_is_asked_for_each_time_and_kept_never(house: House, trips: list[str]) -> None:
    for _ in range(3):
        with pytest.raises(UnknownKey):
            _resolve(house, "sk-" + "A" * 43)
    assert len(trips) == 3
    trips.clear()
    with pytest.raises(UnknownKey):
        _resolve(house, "sk-too-short")
    assert trips == []


def test_no_more_is_remembered_than_may_be(house: House, person: Person, trips: list[str]) -> None:
    registry = house.accounts.registry
    registry._size = 3
    keys = [person.key()["key"] for _ in range(5)]
    for key in keys:
        _resolve(house, key)
    assert len(registry._known) == 3
    assert len(registry._confirmed) <= 3
    trips.clear()
    _resolve(house, keys[-1])
    assert trips == []
    _resolve(house, keys[0])
    assert len(trips) == 1


def test_all_is_forgotten_when_either_epoch_moves(house: House, person: Person, trips: list[str]) -> None:
    registry = house.accounts.registry
    for n, source in ((7, "redis"), (8, "redis"), (3, "redis"), (1, "sql"), (2, "sql")):
        _resolve(house, person.access)
        trips.clear()
        registry.saw_epoch(n, source)
        _resolve(house, person.access)
        assert len(trips) == 1
        registry.saw_epoch(n, source)
        _resolve(house, person.access)
        assert len(trips) == 1


def test_what_was_read_before_a_revocation_is_not_remembered_after_it(
    house: House, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = house.accounts.registry
    live = registry._families.live

    def overtaken(family: str) -> Any:
        user = live(family)
        registry.saw_epoch(99)
        return user

    monkeypatch.setattr(registry._families, "live", overtaken)
    assert _resolve(house, person.access).user_id == person.id
    assert registry._known == {}


def test_fault_1_07_with_both_stores_away_a_caller_lives_sixty_seconds(
    house: House, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, now = house.accounts.registry, callers.monotonic()
    _resolve(house, person.access)
    registry.saw_epoch(1)
    _resolve(house, person.access)
    _away(house, monkeypatch)
    monkeypatch.setattr(callers, "monotonic", lambda: now + 59)
    assert registry.trusted
    assert _resolve(house, person.access).user_id == person.id
    monkeypatch.setattr(callers, "monotonic", lambda: now + 61)
    assert not registry.trusted
    with pytest.raises(Unavailable):
        _resolve(house, person.access)
    registry.saw_epoch(1)
    assert _resolve(house, person.access).user_id == person.id


def test_a_caller_whom_nobody_remembers_is_unavailable_while_the_database_is_away(
    house: House, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = person.key()["key"]
    _away(house, monkeypatch)
    reply = house.client().get("/who", headers={"Authorization": f"Bearer {key}"})
    assert (reply.status_code, reply.json["error"]["code"]) == (503, "unavailable")


def test_a_guest_is_remembered_too(make_house: MakeHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    house = make_house(anonymous=True)
    guest = house.accounts.service.ensure_guest()
    assert house.accounts.service.ensure_guest() == guest
    assert house.accounts.registry.guest().is_guest
    _away(house, monkeypatch)
    assert house.accounts.registry.guest().user_id == guest.id


def test_a_disabled_guest_is_let_in_no_more(make_house: MakeHouse) -> None:
    house = make_house(anonymous=True)
    guest = house.accounts.service.ensure_guest()
    assert house.client().get("/who").status_code == 200
    house.accounts.service.amend_user(guest.id, {"active": False})
    assert house.client().get("/who").status_code == 401


def test_a_running_stream_of_a_caller_who_is_revoked_is_told_so(house: House, person: Person) -> None:
    registry, made = house.accounts.registry, person.key()
    by_token, by_key = _resolve(house, person.access), _resolve(house, made["key"])
    for caller in (by_token, by_key):
        registry.confirm(caller)
    person.call("DELETE", f"/api/keys/{made['id']}")
    registry.confirm(by_token)
    with pytest.raises(Unauthorized):
        registry.confirm(by_key)
    sign_in(house, person.username)
    person.call("POST", "/api/auth/logout")
    with pytest.raises(Unauthorized):
        registry.confirm(by_token)


def test_a_running_stream_of_a_key_ends_with_its_owners_role(house: House, person: Person) -> None:
    caller = _resolve(house, person.key()["key"])
    house.accounts.service.amend_user(person.id, {"role": "admin"})
    with pytest.raises(Unauthorized):
        house.accounts.registry.confirm(caller)


def test_a_running_stream_asks_the_database_once_a_revocation(house: House, person: Person, trips: list[str]) -> None:
    caller = _resolve(house, person.access)
    trips.clear()
    house.accounts.registry.saw_epoch(5)
    for _ in range(10):
        house.accounts.registry.confirm(caller)
    assert len(trips) == 1


def test_a_running_stream_outlives_its_key_and_the_database(
    house: House, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = house.accounts.registry
    soon = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    caller = _resolve(house, person.key(expires_at=soon)["key"])
    monkeypatch.setattr(callers, "time", lambda: (caller.expires_at or 0) + 1)
    registry.forget()
    registry.confirm(caller)
    registry.forget()
    _away(house, monkeypatch)
    registry.confirm(caller)


class Bell:
    """Redis's counters, there or away."""

    def __init__(self) -> None:
        self.away = False
        self.rung = 0

    def epochs(self) -> Epochs:
        if self.away:
            raise Unavailable("away")
        return Epochs(self.rung, 0)

    def bump(self, name: str) -> None:
        assert name == "auth"
        if self.away:
            raise Unavailable("away")
        self.rung += 1


def test_a_revocation_while_redis_is_away_is_told_it_once_it_is_back(house: House) -> None:
    bell = Bell()
    old = house.accounts.registry
    registry = CallerRegistry(old._users, old._keys, old._families, old._read_access, bell)
    bell.away = True
    registry.revoked()
    registry.pay_bump()
    bell.away = False
    registry.pay_bump()
    registry.pay_bump()
    assert bell.rung == 1


def test_the_watch_learns_of_a_revocation_from_sql_where_redis_is_away(make_house: MakeHouse) -> None:
    one, other = make_house(), make_house(GroupTrip("redis://127.0.0.1:1"))
    person = Person(one)
    caller = _resolve(other, person.access)
    other.accounts.watch.ask_sql()
    with pytest.raises(Unavailable):
        other.accounts.watch.ask_redis()
    assert _resolve(other, person.access) == caller
    person.call("POST", "/api/auth/logout")
    other.accounts.watch.ask_sql()
    with pytest.raises(Unauthorized):
        _resolve(other, person.access)
