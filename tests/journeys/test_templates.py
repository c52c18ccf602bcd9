"""Templates from outside: who sees which, and what a chat with one asks and keeps."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import requests

from tests.journeys.gateway import Gateway, soon
from tests.journeys.invariants import assert_error

APP, SHORT = "/llm/chat", "/chat"
Headers = dict[str, str]


@pytest.fixture
def user(any_gateway: Gateway) -> Headers:
    return any_gateway.user()


def keep(gateway: Gateway, headers: Headers, content: str, **fields: Any) -> dict[str, Any]:
    reply = gateway.post("/api/templates", {"name": "T", "content": content, **fields}, headers=headers)
    assert reply.status_code == 201, reply.text
    made: dict[str, Any] = reply.json()["data"]
    return made


def change(gateway: Gateway, headers: Headers, template_id: str, **fields: Any) -> requests.Response:
    url = f"{gateway.url}/api/templates/{template_id}"
    return gateway.http.put(url, json=fields, headers=headers, timeout=20)


def use(gateway: Gateway, headers: Headers, template_id: str, door: str = APP, **fields: Any) -> requests.Response:
    body = {"template_id": template_id, **fields}
    return gateway.post(door, body if door == SHORT else {"model": "demo"} | body, headers=headers)


def recorded(gateway: Gateway, conversation: str) -> int | None:
    """The number of the version that the conversation keeps."""
    query = (
        "SELECT v.version FROM conversations c JOIN template_versions v ON v.id = c.template_version"
        " WHERE c.public_id = :id"
    )
    found = gateway.sql(query, id=conversation)
    return found[0]["version"] if found else None


def test_a_chat_asks_and_keeps_the_text_of_its_template(any_gateway: Gateway, user: Headers) -> None:
    variables = [{"name": "tone", "type": "choice", "choices": ["kind", "curt"], "default": "kind"}]
    made = keep(any_gateway, user, "Be {{tone}}: {{what}}", variables=variables)
    assert (made["version"], [v["name"] for v in made["variables"]]) == (1, ["tone", "what"])
    values = {"what": "why {{tone}}?"}
    said = use(any_gateway, user, made["id"], template_vars=values).json()["data"]
    asked = any_gateway.get(
        "/llm/get-conversation-history", params={"conversation_id": said["conversation_id"]}, headers=user
    ).json()["data"]["messages"][0]
    assert asked["content"] == "Be kind: why {{tone}}?"
    assert recorded(any_gateway, said["conversation_id"]) == 1
    preview = any_gateway.post(f"/api/templates/{made['id']}/preview", {"template_vars": values}, headers=user)
    assert preview.json()["data"]["text"] == asked["content"]


def test_the_short_door_takes_a_template_too(any_gateway: Gateway, user: Headers) -> None:
    made = keep(any_gateway, user, "Say {{what}}")
    session = uuid.uuid4().hex
    reply = use(any_gateway, user, made["id"], SHORT, template_vars={"what": "hello"}, session_id=session)
    assert reply.status_code == 200, reply.text
    history = any_gateway.get(f"/history/{session}", headers=user).json()["history"]
    assert [exchange["prompt"] for exchange in history] == ["Say hello"]
    assert recorded(any_gateway, session) == 1


def test_a_changed_template_serves_and_conversations_keep_what_they_used(any_gateway: Gateway, user: Headers) -> None:
    made = keep(any_gateway, user, "first")
    before = use(any_gateway, user, made["id"]).json()["data"]["conversation_id"]
    assert change(any_gateway, user, made["id"], content="second {{x}}").json()["data"]["version"] == 2

    def changed() -> str | None:
        # Another worker hears of it within a moment.
        reply = use(any_gateway, user, made["id"], template_vars={"x": "!"})
        return reply.json()["data"]["conversation_id"] if reply.ok else None

    after = soon(changed, 2)
    assert (recorded(any_gateway, before), recorded(any_gateway, after)) == (1, 2)
    older = any_gateway.get(f"/api/templates/{made['id']}", params={"version": 1}, headers=user).json()["data"]
    assert (older["version"], older["content"]) == (1, "first")


def test_a_replaced_exchange_may_come_of_a_template(any_gateway: Gateway, user: Headers) -> None:
    made = keep(any_gateway, user, "better {{x}}")
    first = any_gateway.post(APP, {"message": "hello", "model": "demo"}, headers=user).json()["data"]
    ref = {"conversation_id": first["conversation_id"], "replaces": first["prompt_id"]}
    reply = use(any_gateway, user, made["id"], template_vars={"x": "words"}, **ref)
    assert reply.status_code == 200, reply.text
    asked = any_gateway.get(
        "/llm/get-conversation-history", params={"conversation_id": first["conversation_id"]}, headers=user
    ).json()["data"]["messages"]
    assert [message["content"] for message in asked if message["role"] == "user"] == ["better words"]


def test_who_sees_and_changes_which_template(any_gateway: Gateway, user: Headers) -> None:
    other = any_gateway.user()
    mine, ours = keep(any_gateway, user, "mine"), keep(any_gateway, user, "ours", shared=True)
    assert_error(use(any_gateway, other, mine["id"]), 404, "not_found", "template_id")
    assert use(any_gateway, other, ours["id"]).status_code == 200
    assert_error(change(any_gateway, other, mine["id"], name="x"), 404, "not_found")
    assert_error(change(any_gateway, other, ours["id"], name="x"), 403, "forbidden")
    listed = any_gateway.get("/api/templates", params={"limit": 100}, headers=other).json()["data"]["items"]
    assert ours["id"] in {row["id"] for row in listed}
    assert mine["id"] not in {row["id"] for row in listed}
    assert {row["editable"] for row in listed} == {False}
    translating = [row for row in listed if row["category"] == "translate"]
    assert len(translating) == 1


def test_others_see_of_a_shared_template_what_it_says_now_alone(any_gateway: Gateway, user: Headers) -> None:
    other = any_gateway.user()
    made = keep(any_gateway, user, "a draft with a secret")
    assert change(any_gateway, user, made["id"], content="for all", shared=True).status_code == 200

    def seen(headers: Headers, version: int) -> requests.Response:
        return any_gateway.get(f"/api/templates/{made['id']}", params={"version": version}, headers=headers)

    assert_error(seen(other, 1), 404, "not_found")
    assert seen(other, 2).json()["data"]["content"] == "for all"
    assert seen(user, 1).json()["data"]["content"] == "a draft with a secret"


def test_an_admin_changes_what_is_shared_and_that_is_in_the_audit(gateway: Gateway) -> None:
    user, admin = gateway.user(), {"Authorization": f"Bearer {gateway.key}"}
    ours = keep(gateway, user, "ours", shared=True)
    assert change(gateway, admin, ours["id"], content="by an admin").json()["data"]["version"] == 2
    act = gateway.get("/api/admin/audit", headers=admin).json()["data"]["items"][0]
    assert (act["action"], act["target"], act["after"]) == ("template.change", ours["id"], {"version": 2})
    mine = keep(gateway, user, "mine")
    assert_error(change(gateway, admin, mine["id"], name="x"), 404, "not_found")


WRONG: list[tuple[str, dict[str, Any], str, int]] = [
    ("2.21 neither", {}, "", 400),
    (
        "2.21 message and template",
        {"message": "x", "template_id": "T", "template_vars": {"a": "1"}},
        "template_id",
        400,
    ),
    ("2.21 values alone", {"message": "x", "template_vars": {"a": "1"}}, "template_vars", 400),
    ("2.21 missing", {"template_id": "T"}, "template_vars.a", 400),
    ("2.21 unknown", {"template_id": "T", "template_vars": {"a": "1", "b": "2"}}, "template_vars.b", 400),
    ("2.21 an object", {"template_id": "T", "template_vars": {"a": {"b": 1}}}, "template_vars.a", 400),
    ("2.21 a list", {"template_id": "T", "template_vars": [1]}, "template_vars", 400),
    ("2.21 10^5", {"template_id": "T", "template_vars": {str(n): n for n in range(99_999)}}, "template_vars", 400),
    ("2.21 a number", {"template_id": "T", "template_vars": {"a": 5}}, "template_vars.a", 400),
    ("nothing said", {"template_id": "T", "template_vars": {"a": " "}}, "template_vars", 400),
    ("no such template", {"template_id": "nope"}, "template_id", 404),
    ("an empty id", {"template_id": ""}, "template_id", 400),
    ("9.1 100 MB", {"template_id": "MANY", "template_vars": {"a": "x" * 1_000_000}}, "template_vars", 413),
]


@pytest.mark.parametrize("door", [APP, SHORT])
@pytest.mark.parametrize(("row", "fields", "field", "status"), WRONG, ids=[row[0] for row in WRONG])
def test_fault_2_21_and_9_1_a_wrong_use_is_refused_by_name_and_nothing_comes_of_it(
    gateway: Gateway, row: str, fields: dict[str, Any], field: str, status: int, door: str
) -> None:
    said = "message" if door == APP else "prompt"
    headers = gateway.user()
    known = {"T": keep(gateway, headers, "{{a}}")["id"], "MANY": keep(gateway, headers, "{{a}}" * 100)["id"]}
    body = {said if name == "message" else name: value for name, value in fields.items()}
    if "template_id" in body:
        body["template_id"] = known.get(body["template_id"], body["template_id"])
    before = gateway.stored()
    codes = {400: "invalid_request", 404: "not_found", 413: "too_large"}
    assert_error(gateway.post(door, body, headers=headers), status, codes[status], field or said)
    assert gateway.stored() == before


BAD_VARIABLES: list[tuple[dict[str, Any], str]] = [
    ({"name": "b"}, "name"),
    ({"name": "a", "type": "date"}, "type"),
    ({"name": "a", "type": "choice", "choices": []}, "choices"),
    ({"name": "a", "default": {}}, "default"),
    ({"name": "a", "type": "number", "default": "1"}, "default"),
]


@pytest.mark.parametrize(
    ("body", "field", "status"),
    [
        ({"content": "x" * 60_000}, "content", 413),
        ({"content": "{{a}}" * 10_000}, "content", 413),
        *[({"content": "{{a}}", "variables": [told]}, f"variables[0].{field}", 400) for told, field in BAD_VARIABLES],
        ({"content": "x", "variables": [{"name": "a"}] * 101}, "variables", 400),
        ({"content": "  "}, "content", 400),
        ({"content": "x", "name": ""}, "name", 400),
    ],
)
def test_a_template_that_is_none_is_refused_by_name(
    gateway: Gateway, body: dict[str, Any], field: str, status: int
) -> None:
    reply = gateway.post("/api/templates", {"name": "T", **body})
    assert_error(reply, status, {400: "invalid_request", 413: "too_large"}[status], field)


def test_guests_use_shared_templates_and_write_none(tmp_path: Any, upstream: Any) -> None:
    with Gateway(tmp_path, upstream, {"ANONYMOUS_ACCESS": "true"}) as house:
        admin, guest = {"Authorization": f"Bearer {house.key}"}, requests.Session()
        made = keep(house, admin, "Hello {{who}}", shared=True)
        url = f"{house.url}/api/templates"
        assert made["id"] in {row["id"] for row in guest.get(url, timeout=20).json()["data"]["items"]}
        assert guest.post(f"{url}/{made['id']}/preview", json={"template_vars": {"who": "me"}}, timeout=20).ok
        for method, path, body in (
            ("POST", url, {"name": "T", "content": "x"}),
            ("PUT", f"{url}/{made['id']}", {"name": "x"}),
            ("DELETE", f"{url}/{made['id']}", None),
        ):
            assert_error(guest.request(method, path, json=body, timeout=20), 403, "forbidden")
        body = {"model": "demo", "template_id": made["id"], "template_vars": {"who": "me"}}
        assert guest.post(f"{house.url}/llm/chat", json=body, timeout=20).status_code == 200
