"""`/config/model`: a model of another address in one call, on every worker at once."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
import requests

from tests.journeys.gateway import soon
from tests.journeys.invariants import assert_error
from tests.journeys.people import Person
from tests.journeys.server import LiveServer
from tests.journeys.test_admin import Admin
from tests.journeys.test_admin_catalogue import asked, house, keys_used
from tests.providers.fixtures import EmulatedProviders

__all__ = ["house"]

House = tuple[LiveServer, Admin]
KEY, OTHER = "sk-canary-config-0001", "sk-canary-config-0002"


def wish(upstream: EmulatedProviders, **fields: Any) -> dict[str, Any]:
    body = {"model_name": f"c-{uuid.uuid4().hex[:8]}", "api_key": KEY, "base_url": f"{upstream.url}/openai/v1"}
    return body | fields


def put(house: House, body: dict[str, Any] | None = None, **more: Any) -> requests.Response:
    server, admin = house
    return requests.post(f"{server.url}/config/model", json=body, headers=admin.headers, timeout=30, **more)


def listed(house: House) -> dict[str, Any]:
    server, admin = house
    rows = requests.get(f"{server.url}/config/models", headers=admin.headers, timeout=20).json()["models"]
    return {row["model_name"]: row for row in rows}


def test_a_model_of_another_address_serves_the_next_request_on_every_worker(
    house: House, upstream: EmulatedProviders
) -> None:
    server, admin = house
    body = wish(upstream, price_input=1.5, price_output=2, context_window=8192, modalities=["text", "image"])
    reply = put(house, body)
    assert reply.status_code == 200, reply.text
    shown = reply.json()
    assert (shown["model_name"], shown["provider"], shown["verified"]) == (body["model_name"], "custom", True)
    assert (shown["api_key"], shown["base_url"]) == ("…0001", body["base_url"])
    assert shown["price"] == {"input": 1.5, "output": 2.0}
    assert shown["modalities"] == {"in": ["image", "text"], "out": ["text"]}
    assert [asked(server, admin, body["model_name"]).status_code for _ in range(8)] == [200] * 8
    assert keys_used(upstream) == {KEY}
    assert listed(house)[body["model_name"]]["api_key"] == "…0001"


def test_a_form_says_the_same(house: House, upstream: EmulatedProviders) -> None:
    server, admin = house
    body = wish(upstream, price_input="0.5", price_output="1", context_window="4096", modalities="text,image")
    reply = put(house, data=body)
    assert reply.status_code == 200, reply.text
    row = listed(house)[body["model_name"]]
    assert (row["price"], row["context_window"]) == ({"input": 0.5, "output": 1.0}, 4096)
    assert row["modalities"]["in"] == ["image", "text"]
    assert asked(server, admin, body["model_name"]).status_code == 200
    for field, value in (("context_window", "many"), ("verify", "perhaps"), ("price_input", "NaN"), ("nonsense", "1")):
        assert_error(put(house, data=body | {field: value}), 400, "invalid_request", field)


def test_a_second_call_changes_what_it_names_and_its_key_takes_the_formers_place(
    house: House, upstream: EmulatedProviders
) -> None:
    server, admin = house
    body = wish(upstream, price_input=1, price_output=1)
    assert put(house, body | {"api_key": "bad-key", "verify": False}).json()["verified"] is False
    assert put(house, {"model_name": body["model_name"], "api_key": KEY}).status_code == 200
    upstream.forget()

    def only_the_new_one() -> bool:
        upstream.forget()
        return all(asked(server, admin, body["model_name"]).ok for _ in range(6)) and keys_used(upstream) == {KEY}

    soon(only_the_new_one, 3)
    assert put(house, {"model_name": body["model_name"], "price_input": 3, "price_output": 4}).status_code == 200
    row = listed(house)[body["model_name"]]
    assert (row["price"], row["base_url"]) == ({"input": 3.0, "output": 4.0}, body["base_url"])


def test_fault_8_14_a_new_address_needs_the_key_again_also_on_the_same_host(
    house: House, upstream: EmulatedProviders
) -> None:
    body = wish(upstream)
    name = body["model_name"]
    assert put(house, body).status_code == 200
    upstream.forget()
    for moved in ("http://127.0.0.1:9/v1", f"{upstream.url}/another/tenant/v1"):
        assert_error(put(house, {"model_name": name, "base_url": moved}), 400, "invalid_request", "api_key")
        given = {"model_name": name, "base_url": moved, "verify": False}
        assert_error(put(house, given), 400, "invalid_request", "api_key")
    assert upstream.log() == []
    assert listed(house)[name]["base_url"] == body["base_url"]
    moved = f"{upstream.url}/groq/openai/v1"
    assert put(house, {"model_name": name, "base_url": moved, "api_key": OTHER}).json()["base_url"] == moved
    assert keys_used(upstream) == {OTHER}


def test_it_replaces_only_what_it_made_itself(house: House, upstream: EmulatedProviders) -> None:
    server, admin = house
    name = "gpt-6-luna"  # of the seeded catalogue
    assert put(house, wish(upstream, model_name=name)).json()["id"] == f"custom/{name}"
    assert admin.data("GET", f"/models/openai/{name}")["base_url"] is None
    assert asked(server, admin, f"custom/{name}").status_code == 200
    # An admin's change of the row does not take it away from here.
    admin.data("PATCH", f"/models/custom/{name}", {"rpm": 500})
    assert put(house, {"model_name": name, "context_window": 100_000}).status_code == 200
    mine = wish(upstream)
    admin.data("POST", "/models", {"name": mine["model_name"], "provider": "custom", "base_url": mine["base_url"]})
    assert_error(put(house, mine), 409, "conflict", "model_name")


def logged(house: House, request_id: str) -> dict[str, Any] | None:
    """What the log of errors has of this request."""
    path = house[0].folder / "logs" / "error.log"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return next((line for line in lines if line.get("request_id") == request_id), None)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [({"api_key": "bad-key"}, "key_rejected"), ({"base_url": "http://127.0.0.1:9/v1"}, "connect")],
)
def test_what_cannot_work_is_told_and_kept_only_where_the_admin_says_so(
    fields: dict[str, str], reason: str, house: House, upstream: EmulatedProviders
) -> None:
    body = wish(upstream, **fields)
    reply = put(house, body)
    assert (reply.status_code, reply.json()["error"]["details"]["reason"]) == (500, reason)
    assert "bad-key" not in reply.text
    told = soon(lambda: logged(house, reply.headers["x-request-id"]))
    assert "failed" in told["message"]
    assert "error" not in told, "a model that does not answer is no bug of ours: there is no stack to look at"
    assert body["model_name"] not in listed(house)
    assert put(house, body | {"verify": False}).status_code == 200
    assert body["model_name"] in listed(house)


@pytest.mark.parametrize("host", ["169.254.169.254", "metadata.google.internal", "[fd00:ec2::254]", "2852039166"])
def test_fault_8_6_metadata_is_no_address_of_a_model(host: str, house: House, upstream: EmulatedProviders) -> None:
    body = wish(upstream, base_url=f"http://{host}/v1", verify=False)
    assert_error(put(house, body), 400, "invalid_request", "base_url")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"base_url": None}, "base_url"),
        ({"base_url": "ftp://x"}, "base_url"),
        ({"model_name": "auto"}, "model_name"),
        ({"model_name": "mix:a+b"}, "model_name"),
        ({"price_input": 1}, "price_output"),
        ({"modalities": []}, "modalities"),
        ({"modalities": {"in": ["smell"]}}, "modalities"),
        ({"modalities": {"out": ["text"]}}, "modalities"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], field: str, house: House, upstream: EmulatedProviders) -> None:
    assert_error(put(house, wish(upstream, verify=False) | fields), 400, "invalid_request", field)


def test_fault_1_9_users_list_the_models_and_see_neither_addresses_nor_keys(
    house: House, upstream: EmulatedProviders
) -> None:
    server, _ = house
    body = wish(upstream, verify=False)
    assert put(house, body).status_code == 200
    person = Person(server.url)
    assert_error(person.call("POST", "/config/model", json=body), 403, "forbidden")
    assert_error(person.call("POST", "/config/model", data=body), 403, "forbidden")
    reply = person.get("/config/models")
    assert body["model_name"] in {row["model_name"] for row in reply.json()["models"]}
    assert upstream.url not in reply.text
    assert "0001" not in reply.text


def test_no_reply_and_no_line_of_the_audit_shows_a_key(house: House, upstream: EmulatedProviders) -> None:
    server, admin = house
    body = wish(upstream, api_key="sk-canary-secret-9999")
    shown = [put(house, body).text, put(house, body | {"price_input": -1}).text, admin.call("GET", "/audit").text]
    shown += [admin.call("GET", "/provider-keys").text, server.output(), str(listed(house))]
    assert not [text for text in shown if "canary-secret" in text]
