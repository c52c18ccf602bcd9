"""The configuration as a file, from outside."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import requests
import yaml

from tests.journeys.gateway import soon
from tests.journeys.invariants import assert_error
from tests.journeys.people import Person
from tests.journeys.server import LiveServer
from tests.journeys.test_admin import Admin, id_of
from tests.journeys.test_admin_catalogue import asked, house
from tests.providers.fixtures import EmulatedProviders

__all__ = ["house"]

House = tuple[LiveServer, Admin]
KEY = "sk-canary-file-0001"


def export(house: House) -> Any:
    reply = house[1].call("GET", "/config")
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/yaml; charset=utf-8"
    assert "canary" not in reply.text
    return yaml.safe_load(reply.text)


def bring(house: House, file: Any, media: str = "application/yaml") -> requests.Response:
    server, admin = house
    data = file if isinstance(file, bytes) else yaml.safe_dump(file).encode()
    headers = admin.headers | {"Content-Type": media}
    return requests.put(f"{server.url}/api/admin/config", data=data, headers=headers, timeout=30)


def changed(reply: requests.Response) -> Any:
    assert reply.status_code == 200, reply.text
    return reply.json()["data"]["changed"]


def test_what_was_taken_home_brings_everything_back_on_every_worker(house: House, upstream: EmulatedProviders) -> None:
    server, admin = house
    person = Person(server.url)
    name = f"f-{uuid.uuid4().hex[:8]}"
    # With a price, since there is a budget.
    body = {"name": name, "provider": "filecorp", "base_url": f"{upstream.url}/openai/v1", "api_key": KEY, "rpm": 100}
    body |= {"price_input": 1, "price_output": 2}
    made = admin.data("POST", "/models", body)
    admin.data("PATCH", f"/users/{id_of(person)}", {"rpm": 7})
    admin.data("PATCH", "/budget", {"amount": 1000, "period": "month"})
    fields = {"name": "Ours", "content": "Say {{what}}", "shared": True}
    template = person.call("POST", "/api/templates", json=fields).json()["data"]
    file = export(house)
    assert changed(bring(house, file)) == {"models": 0, "budget": 0, "users": 0, "templates": 0}

    assert admin.call("DELETE", f"/models/{made['id']}").status_code == 204
    admin.data("PATCH", f"/users/{id_of(person)}", {"rpm": None})
    assert admin.call("DELETE", "/budget").status_code == 204
    person.call("PUT", f"/api/templates/{template['id']}", json={"content": "Shout {{what}}"})
    assert changed(bring(house, file)) == {"models": 1, "budget": 1, "users": 1, "templates": 1}
    assert export(house) == file
    assert person.get("/api/profile").json()["data"]["rpm"] == 7
    assert person.get(f"/api/templates/{template['id']}").json()["data"]["content"] == "Say {{what}}"

    def serves_everywhere() -> bool:
        return all(asked(server, admin, name).headers.get("x-model") == name for _ in range(6))

    soon(serves_everywhere, 3, "the model that was brought back does not answer on every worker")
    assert {call["headers"]["authorization"] for call in upstream.log()} == {f"Bearer {KEY}"}
    assert admin.call("DELETE", "/budget").status_code == 204


def test_one_fault_in_a_file_and_nothing_of_it_is_done(house: House) -> None:
    before = export(house)
    file = {
        "version": 1,
        "budget": {"amount": 5, "period": "day"},
        "models": [
            {"provider": "corp", "name": "good", "base_url": "https://a.example.com/v1"},
            {"provider": "corp", "name": "bad", "price": {"input": -1, "output": 1}},
        ],
    }
    assert_error(bring(house, file), 400, "invalid_request", "models[1].price.input")
    assert export(house) == before


FAULTS: list[tuple[Any, str | None]] = [
    ({}, "version"),
    ({"version": 2}, "version"),
    ({"version": 1, "secrets": {}}, "secrets"),
    ({"version": 1, "models": [{"provider": "c", "name": "m", "api_key": "sk-x"}]}, "models[0].api_key"),
    ({"version": 1, "models": [{"provider": "c", "name": "m", "rpm": rpm} for rpm in (1, 2)]}, "models[1]"),
    ({"version": 1, "users": [{"username": "x", "role": "admin"}]}, "users[0].role"),
    ({"version": 1, "users": [{"username": "x"}, {"username": "X"}]}, "users[1]"),
    ({"version": 1, "templates": [{"name": "t", "content": "x"}]}, "templates[0].id"),
    ({"version": 1, "templates": [{"key": "k", "name": "t", "content": "{{a}}" * 2_000}]}, "templates[0].content"),
    ({"version": 1, "budget": {"amount": float("nan"), "period": "day"}}, "budget.amount"),
    (b"version: 1\nmodels: &a [*a]", None),
    (b"version: !!python/object/apply:os.system ['true']", None),
    (b"version: 1\nversion: 1", None),
    (b"[1, 2]", None),
    (b"\xff", None),
]


@pytest.mark.parametrize(("file", "field"), FAULTS)
def test_a_file_that_is_none_is_refused_by_name(file: Any, field: str | None, house: House) -> None:
    reply = bring(house, file)
    assert reply.status_code in (400, 413), reply.text
    assert reply.json()["error"]["details"].get("field") == field


def test_a_file_of_another_kind_or_size_is_refused(house: House) -> None:
    assert_error(bring(house, {"version": 1}, "application/json"), 415, "unsupported_media")
    assert_error(bring(house, b"# " + b"x" * 2**20), 413, "too_large")


def test_fault_1_9_only_admins_take_it_home_or_bring_it(house: House) -> None:
    person = Person(house[0].url)
    assert_error(person.get("/api/admin/config"), 403, "forbidden")
    assert_error(person.call("PUT", "/api/admin/config", data=b"version: 1"), 403, "forbidden")
