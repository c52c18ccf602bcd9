"""What admins do, and what comes of it at once."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.journeys.gateway import soon
from tests.journeys.people import Person
from tests.journeys.server import LiveServer


class Admin:
    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self.headers = {"Authorization": f"Bearer {key}"}

    def call(self, method: str, path: str, body: Any = None, raw: bytes | None = None) -> requests.Response:
        headers = self.headers | ({"Content-Type": "application/json"} if raw is not None else {})
        return requests.request(
            method, f"{self._url}/api/admin{path}", json=body, data=raw, headers=headers, timeout=20
        )

    def data(self, method: str, path: str, body: Any = None) -> Any:
        reply = self.call(method, path, body)
        assert reply.status_code in (200, 201), reply.text
        return reply.json()["data"]


@pytest.fixture
def admin(live_server: LiveServer) -> Admin:
    return Admin(live_server.url, live_server.first_key())


def id_of(person: Person) -> str:
    return str(person.get("/api/profile").json()["data"]["id"])


def test_users_are_listed_newest_first_page_by_page(live_server: LiveServer, admin: Admin) -> None:
    names = [Person(live_server.url).name for _ in range(3)]
    first = admin.data("GET", "/users?limit=2")
    second = admin.data("GET", f"/users?limit=2&cursor={first['next_cursor']}")
    # The guest has a word for an id, which stands before all.
    found = [row["username"] for row in first["items"] + second["items"] if row["id"] != "guest"]
    assert found[:3] == names[::-1]
    assert not any("password" in name for name in first["items"][0])


def test_a_user_who_is_switched_off_is_refused_with_every_token(live_server: LiveServer, admin: Admin) -> None:
    person = Person(live_server.url)
    key = person.call("POST", "/api/keys", json={"name": "k"}).json()["data"]["key"]
    user_id = id_of(person)
    assert admin.data("PATCH", f"/users/{user_id}", {"active": False})["active"] is False
    for token in (person.token, key):
        headers = {"Authorization": f"Bearer {token}"}
        assert requests.get(f"{live_server.url}/api/profile", headers=headers, timeout=10).status_code == 401
    admin.data("PATCH", f"/users/{user_id}", {"active": True})
    headers = {"Authorization": f"Bearer {key}"}
    assert requests.get(f"{live_server.url}/api/profile", headers=headers, timeout=10).status_code == 200


def test_limits_and_budget_of_a_user_are_set_and_taken_away(live_server: LiveServer, admin: Admin) -> None:
    person = Person(live_server.url)
    user_id = id_of(person)
    budget = {"amount": 12.5, "period": "month"}
    admin.data("PATCH", f"/users/{user_id}", {"rpm": 7, "tpm": 1000, "concurrency": 2, "budget": budget})
    shown = person.get("/api/profile").json()["data"]
    assert (shown["rpm"], shown["tpm"], shown["concurrency"]) == (7, 1000, 2)
    assert (shown["budget"], shown["left"]) == (budget, 12.5)
    admin.data("PATCH", f"/users/{user_id}", {"rpm": None, "budget": None})
    shown = person.get("/api/profile").json()["data"]
    assert (shown["rpm"], shown["tpm"], shown["budget"]) == (None, 1000, None)


@pytest.mark.parametrize("amount", ["-1", "NaN", '"1e400"', "1e400", "true", "1000000000000", "1e-12", "null", "[]"])
def test_fault_5_1_a_budget_that_is_none_is_400(amount: str, live_server: LiveServer, admin: Admin) -> None:
    user_id = id_of(Person(live_server.url))
    body = f'{{"budget": {{"amount": {amount}, "period": "day"}}}}'.encode()
    whole = f'{{"amount": {amount}, "period": "day"}}'.encode()
    for path, raw in ((f"/users/{user_id}", body), ("/budget", whole)):
        reply = admin.call("PATCH", path, raw=raw)
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_request"), reply.text
    assert admin.data("GET", f"/users/{user_id}")["budget"] is None


def test_fault_5_1_a_budget_of_nothing_is_a_budget(live_server: LiveServer, admin: Admin) -> None:
    user_id = id_of(Person(live_server.url))
    shown = admin.data("PATCH", f"/users/{user_id}", {"budget": {"amount": 0, "period": "total"}})
    assert (shown["budget"], shown["left"]) == ({"amount": 0.0, "period": "total"}, 0.0)


def test_fault_5_1_a_keys_budget_above_its_users_is_400(live_server: LiveServer, admin: Admin) -> None:
    user_id = id_of(Person(live_server.url))
    admin.data("PATCH", f"/users/{user_id}", {"budget": {"amount": 5, "period": "month"}})
    made = admin.data("POST", "/keys", {"user_id": user_id, "name": "narrow"})
    more = {"budget": {"amount": 6, "period": "month"}}
    for method, path, body in (
        ("PATCH", f"/keys/{made['id']}", more),
        ("POST", "/keys", {"user_id": user_id, "name": "wide", **more}),
    ):
        reply = admin.call(method, path, body)
        assert (reply.status_code, reply.json()["error"]["details"]["field"]) == (400, "budget")


def test_a_key_made_for_a_user_serves_is_bound_and_is_revoked(live_server: LiveServer, admin: Admin) -> None:
    person = Person(live_server.url)
    made = admin.data("POST", "/keys", {"user_id": id_of(person), "name": "team", "models": ["demo"]})
    headers = {"Authorization": f"Bearer {made['key']}"}
    body = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}

    def status() -> int:
        return requests.post(
            f"{live_server.url}/v1/chat/completions", json=body, headers=headers, timeout=20
        ).status_code

    assert status() == 200
    admin.data("PATCH", f"/keys/{made['id']}", {"models": ["another"]})
    assert soon(lambda: status() == 403, 2)
    assert admin.call("DELETE", f"/keys/{made['id']}").status_code == 204
    assert status() == 401
    (row,) = admin.data("GET", f"/keys?user_id={id_of(person)}")["items"]
    assert (row["revoked"], row["username"]) == (True, person.name)
    assert made["key"] not in admin.call("GET", "/keys").text
    assert admin.call("PATCH", f"/keys/{made['id']}", {"name": "again"}).status_code == 409


def test_the_last_admin_stays_one(live_server: LiveServer, admin: Admin) -> None:
    me = next(row for row in admin.data("GET", "/users?limit=100")["items"] if row["role"] == "admin")
    for change, field in (({"role": "user"}, "role"), ({"active": False}, "active")):
        reply = admin.call("PATCH", f"/users/{me['id']}", change)
        assert (reply.status_code, reply.json()["error"]["details"]["field"]) == (409, field)
    other = Person(live_server.url)
    other_id = id_of(other)
    admin.data("PATCH", f"/users/{other_id}", {"role": "admin"})
    admin.data("PATCH", f"/users/{other_id}", {"role": "user"})


def test_each_act_is_in_the_audit_with_what_it_changed_and_no_secret(live_server: LiveServer, admin: Admin) -> None:
    user_id = id_of(Person(live_server.url))
    admin.data("PATCH", f"/users/{user_id}", {"rpm": 3, "budget": {"amount": 0.25, "period": "day"}})
    made = admin.data("POST", "/keys", {"user_id": user_id, "name": "audited"})
    refused = admin.call("PATCH", f"/users/{user_id}", {"rpm": -1})
    assert refused.status_code == 400
    key, user = admin.data("GET", "/audit?limit=2")["items"]
    assert (user["action"], user["target"], user["actor"]) == ("user.change", user_id, "admin")
    assert user["before"] == {"rpm": None, "budget_amount": None, "budget_period": None}
    assert user["after"] == {"rpm": 3, "budget_amount": 0.25, "budget_period": "day"}
    assert (key["action"], key["target"], key["before"]) == ("key.make", made["id"], None)
    assert made["key"] not in admin.call("GET", "/audit").text


def test_the_installations_budget_is_set_shown_and_taken_away(admin: Admin) -> None:
    shown = admin.data("PATCH", "/budget", {"amount": 9_000_000, "period": "total"})
    assert shown["budget"] == {"amount": 9_000_000.0, "period": "total"}
    assert shown["left"] == pytest.approx(9_000_000 - shown["spent"])
    assert admin.data("GET", "/budget") == shown
    assert admin.call("DELETE", "/budget").status_code == 204
    assert admin.data("GET", "/budget") == {"budget": None}
