"""Joining, signing in and out, profile and keys, as a client sees them."""

from __future__ import annotations

import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from app.domain.caller import Budget
from app.stores.group_trip import GroupTrip
from tests import accounts_fixtures
from tests.accounts_fixtures import MakeHouse, Person, sign_in, who
from tests.accounts_house import PASSWORD, House

make_house, house = accounts_fixtures.make_house, accounts_fixtures.house


@pytest.fixture
def person(house: House) -> Person:
    return Person(house)


def _refused(reply: Any, status: int, code: str, field: str | None = None) -> None:
    assert (reply.status_code, reply.json["error"]["code"]) == (status, code), reply.text
    assert reply.json["error"]["details"].get("field") == field


def _join(house: House, **body: Any) -> Any:
    wish = {"username": f"u{uuid4().hex[:10]}", "email": f"{uuid4().hex}@b.c", "password": PASSWORD}
    return house.client().post("/api/auth/register", json=wish | body)


def test_who_joins_is_signed_in_and_has_a_profile(house: House) -> None:
    person = Person(house)
    shown = person.call("GET", "/api/profile").json["data"]
    assert (shown["username"], shown["email"], shown["role"]) == (person.username, person.email, "user")
    assert shown["budget"] is None
    assert "left" not in shown
    assert "password" not in repr(shown)


def test_signing_in_works_by_name_and_by_address_in_any_case(house: House, person: Person) -> None:
    for name in (person.username, person.username.upper(), person.email, person.email.upper()):
        reply = sign_in(house, name)
        assert reply.status_code == 200
        assert reply.json["data"]["expires_in"] == 900
        assert reply.headers["Cache-Control"] == "no-store"
        assert who(house, reply.json["data"]["access_token"]).json["user_id"] == person.id


def test_closed_registration_is_forbidden_at_both_doors(make_house: MakeHouse) -> None:
    house = make_house(registration_open=False)
    _refused(_join(house), 403, "forbidden")
    _refused(house.client().post("/register", json={"username": "a", "password": PASSWORD}), 403, "forbidden")


def test_the_short_door_has_its_own_shapes(house: House) -> None:
    client, name = house.client(), f"u{uuid4().hex[:10]}"
    made = client.post("/register", json={"username": name, "password": PASSWORD})
    assert made.status_code == 201
    assert made.json.keys() == {"id", "username"}
    form = {"username": name, "password": PASSWORD, "grant_type": "password", "scope": "x"}
    token = client.post("/token", data=form)
    assert (token.json["token_type"], token.json["expires_in"]) == ("bearer", 900)
    assert who(house, token.json["access_token"]).json["user_id"] == made.json["id"]
    _refused(client.post("/token", json=form), 415, "unsupported_media")
    _refused(client.post("/token", data={"username": name}), 400, "invalid_request", "password")
    _refused(client.post("/token", data=form | {"password": "x"}), 401, "unauthorized")
    assert (
        client.post("/api/auth/logout", headers={"Authorization": f"Bearer {token.json['access_token']}"}).status_code
        == 204
    )
    assert who(house, token.json["access_token"]).status_code == 401


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ({"role": "admin"}, "role"), ({"is_admin": True}, "is_admin"), ({"user_id": "x"}, "user_id"),
        ({"id": "x"}, "id"), ({"active": True}, "active"), ({"budget": {"amount": 5, "period": "day"}}, "budget"),
        ({"rpm": 5}, "rpm"), ({"token_epoch": 0}, "token_epoch"), ({"name_key": "x"}, "name_key"),
    ],
)  # fmt: skip
def test_fault_1_08_nobody_gives_themselves_rights(
    house: House, person: Person, extra: dict[str, Any], field: str
) -> None:
    before = person.call("GET", "/api/profile").json
    _refused(_join(house, **extra), 400, "invalid_request", field)
    change = {"email": f"{uuid4().hex}@b.c"}
    _refused(person.call("PATCH", "/api/profile", json=change | extra), 400, "invalid_request", field)
    if field not in ("budget", "rpm"):
        _refused(person.call("POST", "/api/keys", json={"name": "k"} | extra), 400, "invalid_request", field)
    assert person.call("GET", "/api/profile").json == before
    assert person.call("GET", "/api/keys").json["data"]["items"] == []


def test_fault_1_08_a_keys_budget_is_at_most_its_users(make_house: MakeHouse) -> None:
    house = make_house(default_budget=Budget(5 * 10**9, "month"))
    person = Person(house)
    assert person.call("GET", "/api/profile").json["data"]["left"] == 5.0
    for period in ("day", "month"):
        wish = {"name": "k", "budget": {"amount": 5.000000001, "period": period}}
        _refused(person.call("POST", "/api/keys", json=wish), 400, "invalid_request", "budget")
    assert person.key(budget={"amount": 5, "period": "month"})["left"] == 5.0
    assert person.key(budget={"amount": 50, "period": "total"})["left"] == 50.0


def test_fault_1_08_a_bounded_key_cannot_make_a_freer_one(house: House, person: Person) -> None:
    for bound in ({"models": ["demo"]}, {"rpm": 1}, {"budget": {"amount": 1, "period": "day"}}):
        key = person.key(**bound)["key"]
        _refused(person.call("POST", "/api/keys", key, json={"name": "free"}), 403, "forbidden")
    free = person.key()["key"]
    assert person.call("POST", "/api/keys", free, json={"name": "more"}).status_code == 201


def test_fault_1_09_what_is_the_admins_is_the_admins(house: House, person: Person) -> None:
    admin, password = house.accounts.service.create_admin("boss", None)
    assert password is not None
    token = sign_in(house, "boss", password).json["data"]["access_token"]
    reply = house.client().get("/api/admin/who", headers={"Authorization": f"Bearer {token}"})
    assert reply.json == {"user_id": admin.id, "role": "admin", "key_id": None}
    for other in (person.access, person.key()["key"]):
        _refused(person.call("GET", "/api/admin/who", other), 403, "forbidden")
    _refused(house.client().get("/api/admin/who"), 401, "unauthorized")
    for path in ("/api//admin/who", "/API/admin/who", "/api/admin/who/"):
        assert person.call("GET", path).status_code == 404


def test_making_the_admin_again_changes_nothing(house: House) -> None:
    service = house.accounts.service
    first, password = service.create_admin("boss", None)
    again, none = service.create_admin("BOSS", "Another-password-1")
    assert (again.id, none) == (first.id, None)
    assert sign_in(house, "boss", password or "").status_code == 200


def test_fault_1_10_every_way_of_not_signing_in_is_one(make_house: MakeHouse) -> None:
    house = make_house(name_limit=10**6, address_limit=10**6)
    person, disabled = Person(house), Person(house)
    house.accounts.service.amend_user(disabled.id, {"active": False})
    tries = {
        "unknown": ("nobody", PASSWORD),
        "wrong": (person.username, "Wrong-horse-1"),
        "disabled": (disabled.username, PASSWORD),
        "nul": ("a\0b", PASSWORD),
    }
    times: dict[str, list[float]] = {kind: [] for kind in tries}
    bodies = set()
    for _ in range(20):
        for kind, (name, password) in tries.items():
            began = time.perf_counter()
            reply = sign_in(house, name, password)
            times[kind].append(time.perf_counter() - began)
            bodies.add((reply.status_code, reply.text))
    assert len(bodies) == 1
    assert next(iter(bodies))[0] == 401
    medians = [statistics.median(taken) for taken in times.values()]
    assert max(medians) < 1.25 * min(medians)


@pytest.mark.parametrize("redis", ["there", "away"])
def test_fault_1_11_who_guesses_waits_and_the_owner_goes_on(make_house: MakeHouse, redis: str) -> None:
    house = make_house(None if redis == "there" else GroupTrip("redis://127.0.0.1:1"))
    person = Person(house)
    statuses = [sign_in(house, person.username, "x", f"10.0.0.{n}").status_code for n in range(7)]
    assert statuses == [401] * 5 + [429] * 2
    for name in (person.username, person.email):
        limited = sign_in(house, name, PASSWORD, "10.0.1.1")
        _refused(limited, 429, "rate_limited")
        assert 1 <= int(limited.headers["Retry-After"]) <= 15
    assert who(house, person.access).status_code == 200
    assert house.client().post("/token", data={"username": person.username, "password": PASSWORD}).status_code == 429
    change = {"password": "New-horse-22", "current_password": PASSWORD}
    _refused(person.call("PATCH", "/api/profile", json=change), 429, "rate_limited")


def test_fault_1_11_of_guesses_at_once_the_right_one_is_not_told_after_the_fifth(
    house: House, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasher, guard = house.accounts.service._hasher, house.accounts.guard

    def overtaken(password: bytes, stored: str | None) -> bool:
        for n in range(5):
            guard.miss(f"user:{person.id}", f"10.2.0.{n}")
        return True

    monkeypatch.setattr(hasher, "matches", overtaken)
    _refused(sign_in(house, person.username), 429, "rate_limited")


def test_fault_1_11_the_right_password_in_time_forgives_the_misses_before_it(house: House, person: Person) -> None:
    for password, owed in [("x", 401)] * 4 + [(PASSWORD, 200)] + [("x", 401)] * 4 + [(PASSWORD, 200)]:
        assert sign_in(house, person.username, password).status_code == owed


def test_fault_1_11_a_name_that_nobody_has_waits_like_any(house: House) -> None:
    assert [sign_in(house, "nobody", "x", f"10.0.0.{n}").status_code for n in range(6)] == [401] * 5 + [429]


def test_fault_1_11_a_hundred_names_from_one_address(house: House) -> None:
    statuses = [sign_in(house, f"n{n}", "x", "10.9.9.9").status_code for n in range(62)]
    assert statuses == [401] * 60 + [429] * 2


@pytest.mark.parametrize(
    "password",
    ["A1a" + "x" * 1022, "A1a" + "é" * 512, "Abcde1x", "abcdefg1", "ABCDEFG1", "Abcdefgh", "", 5, None, ["x"]],
)
def test_fault_1_12_a_password_that_cannot_be_is_400_and_named(house: House, password: Any) -> None:
    _refused(_join(house, password=password), 400, "invalid_request", "password")
    short = house.client().post("/register", json={"username": "short", "password": password})
    _refused(short, 400, "invalid_request", "password")


def test_fault_1_12_a_long_password_is_refused_before_it_is_hashed(house: House, person: Person) -> None:
    began = time.perf_counter()
    for _ in range(20):
        _refused(sign_in(house, person.username, "x" * 1025), 400, "invalid_request", "password")
    assert time.perf_counter() - began < 20 * 0.02


def test_fault_1_12_one_password_in_both_normal_forms_and_nul_inside(house: House) -> None:
    composed, decomposed = "Caf\u00e9-1234\0x", "Cafe\u0301-1234\0x"
    person = Person(house, password=composed)
    assert sign_in(house, person.username, decomposed).status_code == 200
    assert sign_in(house, person.username, "Caf\u00e9-1234\0y").status_code == 401
    assert sign_in(house, person.username, "Caf\u00e9-1234").status_code == 401


def test_fault_1_12_half_a_character_is_400_and_named(house: House) -> None:
    for path, field in (("register", "password"), ("login", "password"), ("login", "username")):
        body = {"username": "a", "password": "Abcdefg1"} | ({"email": "a@b.c"} if path == "register" else {})
        raw = str(body | {field: "HALF"}).replace("'", '"').replace("HALF", "Abcdefg1\\ud800")
        reply = house.client().post(f"/api/auth/{path}", data=raw, content_type="application/json")
        _refused(reply, 400, "invalid_request", field)


def test_fault_1_13_names_that_look_like_anothers(house: House) -> None:
    assert _join(house, username="admin").status_code == 201
    for name in ("Ａdmin", "ⓐdmin", "ADMIN"):
        _refused(_join(house, username=name), 409, "conflict", "username")
        reply = house.client().post("/register", json={"username": name, "password": PASSWORD})
        _refused(reply, 409, "conflict", "username")
    wrong = (" admin", "аdmin", "admin\u200b", "ad\u00admin", "x" * 300, "guest", "a/b", "x@y.z", "", "a\0b", 5)
    for bad in wrong:
        _refused(_join(house, username=bad), 400, "invalid_request", "username")
    assert _join(house, username="=cmd").status_code == 201


def test_an_address_is_wanted_and_unique_at_the_app_door(house: House, person: Person) -> None:
    _refused(_join(house, email=None), 400, "invalid_request", "email")
    _refused(_join(house, email="nonsense"), 400, "invalid_request", "email")
    _refused(_join(house, email=person.email.upper()), 409, "conflict", "email")
    other = Person(house)
    _refused(other.call("PATCH", "/api/profile", json={"email": person.email}), 409, "conflict", "email")


def test_fault_1_15_a_refresh_token_serves_once_and_twice_within_ten_seconds(house: House, person: Person) -> None:
    first, again = (person.client.post("/api/auth/refresh", json={"refresh_token": person.refresh}) for _ in range(2))
    assert first.status_code == 200
    assert first.json == again.json
    assert first.json["data"]["refresh_token"] != person.refresh
    assert who(house, first.json["data"]["access_token"]).status_code == 200


def test_fault_1_15_after_ten_seconds_the_whole_family_ends(
    house: House, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = person.client.post("/api/auth/refresh", json={"refresh_token": person.refresh}).json["data"]
    monkeypatch.setattr("app.domain.policies.rotation.GRACE_MS", -1)
    _refused(person.client.post("/api/auth/refresh", json={"refresh_token": person.refresh}), 401, "unauthorized")
    newest = person.client.post("/api/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    _refused(newest, 401, "unauthorized")
    for token in (person.access, pair["access_token"]):
        assert who(house, token).status_code == 401
    assert sign_in(house, person.username).status_code == 200


def test_fault_1_15_logout_has_no_grace(house: House, person: Person) -> None:
    other = sign_in(house, person.username).json["data"]
    pair = person.client.post("/api/auth/refresh", json={"refresh_token": person.refresh}).json["data"]
    assert person.call("POST", "/api/auth/logout").status_code == 204
    for token in (person.refresh, pair["refresh_token"]):
        _refused(person.client.post("/api/auth/refresh", json={"refresh_token": token}), 401, "unauthorized")
    for token in (person.access, pair["access_token"]):
        assert who(house, token).status_code == 401
    assert who(house, other["access_token"]).status_code == 200


def test_a_key_has_no_sign_in_to_end(house: House, person: Person) -> None:
    key = person.key()["key"]
    _refused(person.call("POST", "/api/auth/logout", key), 403, "forbidden")
    assert who(house, key).status_code == 200


def _cookie_of(reply: Any) -> str:
    return str(reply.headers["Set-Cookie"])


def test_a_page_keeps_its_refresh_token_in_a_cookie_that_scripts_cannot_read(house: House, person: Person) -> None:
    client = house.client()
    body = {"username": person.username, "password": PASSWORD, "cookie": True}
    reply = client.post("/api/auth/login", json=body)
    assert "refresh_token" not in reply.json["data"]
    for word in ("HttpOnly", "SameSite=Strict", "Path=/api/auth"):
        assert word in _cookie_of(reply)
    assert "Secure" not in _cookie_of(reply)
    assert "Secure" in _cookie_of(client.post("/api/auth/login", json=body, base_url="https://localhost"))
    for shown in ({"cookie": True}, {}):
        again = client.post("/api/auth/refresh", json=shown)
        assert again.status_code == 200
        assert "refresh_token" not in again.json["data"]
    token = again.json["data"]["access_token"]
    out = client.post("/api/auth/logout", headers={"Authorization": f"Bearer {token}"})
    assert out.status_code == 204
    assert client.get_cookie("refresh_token", path="/api/auth") is None
    _refused(client.post("/api/auth/refresh", json={"cookie": True}), 401, "unauthorized")
    _refused(client.post("/api/auth/refresh", json={}), 400, "invalid_request", "refresh_token")


def test_fault_1_16_another_site_cannot_use_the_cookie(house: House, person: Person) -> None:
    client, foreign = house.client(), {"Sec-Fetch-Site": "cross-site"}
    body = {"username": person.username, "password": PASSWORD, "cookie": True}
    _refused(client.post("/api/auth/login", json=body, headers=foreign), 403, "forbidden")
    assert client.post("/api/auth/login", json=body, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
    _refused(client.post("/api/auth/refresh", json={}, headers=foreign), 403, "forbidden")
    _refused(client.post("/api/auth/refresh", data="{}", content_type="text/plain"), 415, "unsupported_media")
    del body["cookie"]
    assert client.post("/api/auth/login", json=body, headers=foreign).status_code == 200


def test_a_new_password_ends_every_sign_in_and_leaves_the_keys(house: House, person: Person) -> None:
    key, other = person.key()["key"], sign_in(house, person.username).json["data"]
    change = {"password": "New-horse-22", "current_password": PASSWORD}
    assert person.call("PATCH", "/api/profile", json=change).status_code == 200
    for token in (person.access, other["access_token"]):
        assert who(house, token).status_code == 401
    reply = person.client.post("/api/auth/refresh", json={"refresh_token": other["refresh_token"]})
    _refused(reply, 401, "unauthorized")
    assert who(house, key).status_code == 200
    assert sign_in(house, person.username).status_code == 401
    assert sign_in(house, person.username, "New-horse-22").status_code == 200


def test_a_new_password_needs_the_old_one(house: House, person: Person) -> None:
    for current, status, code in ((None, 400, "invalid_request"), ("Wrong-1-x", 403, "forbidden")):
        change = {"password": "New-horse-22", "current_password": current}
        _refused(person.call("PATCH", "/api/profile", json=change), status, code, "current_password")
    _refused(person.call("PATCH", "/api/profile", json={}), 400, "invalid_request")
    _refused(
        person.call("PATCH", "/api/profile", json={"password": "weak", "current_password": PASSWORD}),
        400, "invalid_request", "password",
    )  # fmt: skip
    assert sign_in(house, person.username).status_code == 200


def test_a_key_is_shown_once_and_opens_the_door_until_it_is_revoked(house: House, person: Person) -> None:
    made = person.key(name="ci", models=["demo", "demo"], rpm=3)
    assert made["key"].startswith(made["prefix"])
    assert (len(made["key"]), len(made["prefix"]), made["models"], made["rpm"]) == (46, 10, ["demo"], 3)
    listed = person.call("GET", "/api/keys").json["data"]["items"]
    assert listed == [{name: value for name, value in made.items() if name != "key"}]
    assert made["key"] not in repr(listed)
    assert who(house, made["key"]).json == {"user_id": person.id, "role": "user", "key_id": made["id"]}
    assert person.call("DELETE", f"/api/keys/{made['id']}").status_code == 204
    assert who(house, made["key"]).status_code == 401
    assert person.call("GET", "/api/keys").json["data"]["items"] == []


def test_another_users_key_is_not_there(house: House, person: Person) -> None:
    made, other = person.key(), Person(house)
    for key_id in (made["id"], "unknown", "x" * 300):
        _refused(other.call("DELETE", f"/api/keys/{key_id}"), 404, "not_found")
    assert other.call("GET", "/api/keys").json["data"]["items"] == []
    assert who(house, made["key"]).status_code == 200


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"name": None}, "name"), ({"name": ""}, "name"), ({"name": 5}, "name"), ({"name": "x" * 129}, "name"),
        ({"name": "a\0b"}, "name"), ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "expires_at"), ({"expires_at": "soon"}, "expires_at"),
        ({"expires_at": 5}, "expires_at"), ({"rpm": -1}, "rpm"), ({"rpm": True}, "rpm"), ({"rpm": "5"}, "rpm"),
        ({"tpm": 1.5}, "tpm"), ({"concurrency": 2**70}, "concurrency"), ({"models": "demo"}, "models"),
        ({"models": [5]}, "models[0]"), ({"models": ["x"] * 1001}, "models"), ({"budget": 5}, "budget"),
        ({"budget": {"amount": -1, "period": "day"}}, "budget.amount"),
        ({"budget": {"amount": True, "period": "day"}}, "budget.amount"),
        ({"budget": {"amount": "1e400", "period": "day"}}, "budget.amount"),
        ({"budget": {"amount": 10**12, "period": "day"}}, "budget.amount"),
        ({"budget": {"amount": 1e-12, "period": "day"}}, "budget.amount"),
        ({"budget": {"amount": 1, "period": "week"}}, "budget.period"), ({"budget": {"amount": 1}}, "budget.period"),
        ({"budget": {"amount": 1, "period": "day", "x": 1}}, "budget.x"), ({"key": "sk-mine"}, "key"),
    ],
)  # fmt: skip
def test_fault_5_01_a_wish_for_a_key_that_cannot_be_is_400_and_named(
    house: House, person: Person, wish: dict[str, Any], field: str
) -> None:
    _refused(person.call("POST", "/api/keys", json={"name": "k"} | wish), 400, "invalid_request", field)


def test_fault_5_01_a_budget_of_nothing_is_a_budget(house: House, person: Person) -> None:
    made = person.key(budget={"amount": 0, "period": "total"}, expires_at=None, models=None, rpm=None)
    assert (made["budget"], made["left"]) == ({"amount": 0.0, "period": "total"}, 0.0)
    assert house.accounts.registry.resolve(made["key"]).key_budget == Budget(0, "total")


def test_a_key_ends_when_it_expires(house: House, person: Person) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=1)
    key = person.key(expires_at=soon.isoformat())["key"]
    assert who(house, key).status_code == 200
    deadline = time.monotonic() + 3
    while who(house, key).status_code == 200:
        assert time.monotonic() < deadline
    assert datetime.now(UTC) >= soon


def test_a_hundred_keys_are_enough(house: House, person: Person) -> None:
    made = [person.key(name=f"k{n}") for n in range(100)]
    _refused(person.call("POST", "/api/keys", json={"name": "one more"}), 409, "conflict")
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = person.call("GET", f"/api/keys?limit=30&cursor={cursor}" if cursor else "/api/keys?limit=30").json[
            "data"
        ]
        seen += [row["id"] for row in page["items"]]
        cursor = page["next_cursor"]
    assert seen == [key["id"] for key in reversed(made)]
    person.call("DELETE", f"/api/keys/{seen[0]}")
    assert person.call("POST", "/api/keys", json={"name": "one more"}).status_code == 201


@pytest.mark.parametrize(
    ("query", "field"),
    [("limit=0", "limit"), ("limit=101", "limit"), ("limit=x", "limit"), ("cursor=x", "cursor")],
)
def test_a_list_is_asked_for_rightly(person: Person, query: str, field: str) -> None:
    _refused(person.call("GET", f"/api/keys?{query}"), 400, "invalid_request", field)


def test_a_stranger_learns_nothing_of_what_is_wrong_with_a_request(house: House) -> None:
    client = house.client()
    for method, path in (("POST", "/api/keys"), ("PATCH", "/api/profile"), ("GET", "/api/keys?limit=x")):
        _refused(client.open(path, method=method, data="{", content_type="text/plain"), 401, "unauthorized")


def test_every_route_of_accounts_is_in_the_document(house: House) -> None:
    paths = house.client().get("/openapi.json").json["paths"]
    for path, methods in {
        "/api/auth/register": {"post"}, "/api/auth/login": {"post"}, "/api/auth/refresh": {"post"},
        "/api/auth/logout": {"post"}, "/api/profile": {"get", "patch"}, "/api/keys": {"get", "post"},
        "/api/keys/{key_id}": {"delete"}, "/register": {"post"}, "/token": {"post"},
    }.items():  # fmt: skip
        assert methods <= paths[path].keys()
    body = paths["/token"]["post"]["requestBody"]["content"]
    assert "application/x-www-form-urlencoded" in body
