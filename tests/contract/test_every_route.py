"""Hostile input at every route, made from the OpenAPI document: a route that is new is in without a word here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from app.schemas.document import operations
from tests.journeys.people import PASSWORD, Person
from tests.journeys.server import LiveServer

UNKNOWN = "01a1fe7c-fd55-7522-b404-82245d7bd536"

#: A body that each route takes, to be spoilt field by field. A new route with a body must be given one here.
SOUND: dict[tuple[str, str], dict[str, Any]] = {
    ("post", "/api/auth/register"): {"username": "fresh", "email": "fresh@example.com", "password": PASSWORD},
    ("post", "/api/auth/login"): {"username": "nobody", "password": PASSWORD},
    ("post", "/api/auth/refresh"): {"refresh_token": "x"},
    ("patch", "/api/profile"): {"email": "new@example.com"},
    ("post", "/api/keys"): {"name": "laptop"},
    ("post", "/llm/chat"): {"message": "Hello", "model": "demo"},
    ("post", "/v1/chat/completions"): {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]},
    ("post", "/openai/v1/chat/completions"): {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]},
    ("post", "/v1/images/generations"): {"prompt": "A fox", "model": "demo"},
    ("post", "/openai/v1/images/generations"): {"prompt": "A fox", "model": "demo"},
    ("post", "/register"): {"username": "fresh", "password": PASSWORD},
    ("post", "/chat"): {"prompt": "Hello"},
    ("post", "/v1/embeddings"): {"model": "wordllama-256", "input": "Hello"},
    ("post", "/openai/v1/embeddings"): {"model": "wordllama-256", "input": "Hello"},
    ("post", "/api/ratings"): {"prompt_id": UNKNOWN, "rating": 4},
    ("post", "/rate"): {"prompt_id": UNKNOWN, "rating": 4},
    ("patch", "/api/conversations/{public_id}"): {"title": "New"},
    ("post", "/api/templates"): {"name": "Greeting", "content": "Hello {{who}}"},
    ("put", "/api/templates/{template_id}"): {"name": "Other"},
    ("post", "/api/templates/{template_id}/preview"): {"template_vars": {}},
    ("post", "/config/model"): {"model_name": "m", "base_url": "http://127.0.0.1:9", "verify": False},
    ("patch", "/api/admin/users/{user_id}"): {"rpm": 5},
    ("post", "/api/admin/keys"): {"user_id": UNKNOWN, "name": "laptop"},
    ("patch", "/api/admin/keys/{key_id}"): {"name": "laptop"},
    ("patch", "/api/admin/budget"): {"amount": 9_000_000, "period": "total"},
    ("post", "/api/admin/models"): {"name": "m", "provider": "corp", "base_url": "http://127.0.0.1:9", "verify": False},
    ("patch", "/api/admin/models/{model_id}"): {"active": True},
    ("post", "/api/admin/provider-keys"): {"provider": "groq", "key": "gsk-of-the-tests"},
    ("patch", "/api/admin/provider-keys/{key_id}"): {"key": "gsk-of-the-tests"},
    ("post", "/api/external/get"): {"url": "http://example.com/"},
    ("post", "/api/external/post"): {"url": "http://example.com/"},
    ("post", "/api/external/put"): {"url": "http://example.com/"},
    ("post", "/api/external/delete"): {"url": "http://example.com/"},
}
ADMIN = "/api/admin"
#: Takes a form as well as JSON.
FORMS_TOO = {"/config/model"}

VALUES: dict[str, Any] = {
    "string": "x",
    "integer": 5,
    "number": 1.5,
    "boolean": True,
    "object": {"a": 1},
    "array": [1],
}


@pytest.fixture(scope="module")
def document(live_server: LiveServer) -> dict[str, Any]:
    made: dict[str, Any] = requests.get(f"{live_server.url}/openapi.json", timeout=10).json()
    return made


@pytest.fixture(scope="module")
def person(live_server: LiveServer) -> Person:
    """A user; an admin where only admins are let in."""
    return Both(live_server)


def admins(path: str) -> bool:
    """Whether only admins are let in."""
    return path.startswith(ADMIN) or path == "/config/model"


class Both(Person):
    def __init__(self, live_server: LiveServer) -> None:
        super().__init__(live_server.url)
        self._admins = {"Authorization": f"Bearer {live_server.first_key()}"}

    def headers(self, path: str) -> dict[str, str]:
        return self._admins if admins(path) else {"Authorization": f"Bearer {self.token}"}

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        options["headers"] = {**options.get("headers", {}), **self.headers(path)}
        return super().call(method, path, **options)


def bodies(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every route that takes a JSON object, with its schema."""
    for path, method, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            yield method, path, resolved(document, content["application/json"]["schema"])


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        found: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    return schema


def types_of(document: dict[str, Any], schema: dict[str, Any]) -> set[str]:
    """The JSON types that a schema takes; empty where it does not say."""
    schema = resolved(document, schema)
    for choice in ("oneOf", "anyOf", "allOf"):
        if choice in schema:
            return {kind for one in schema[choice] for kind in types_of(document, one)}
    told = schema.get("type", [])
    kinds = {told} if isinstance(told, str) else set(told)
    return kinds | {"integer"} if "number" in kinds else kinds


def field_of(reply: requests.Response) -> str:
    error = reply.json()["error"]
    return str(error["param"] if "param" in error else error["details"].get("field"))


def test_every_route_with_a_body_has_a_sound_one_here(document: dict[str, Any]) -> None:
    assert {(method, path) for method, path, _ in bodies(document)} == set(SOUND)


def test_fault_2_18_every_field_of_every_wrong_type_is_400_naming_it(document: dict[str, Any], person: Person) -> None:
    wrong: list[str] = []
    for method, path, schema in bodies(document):
        for name, told in schema["properties"].items():
            kinds = types_of(document, told)
            for kind in VALUES.keys() - kinds if kinds else ():
                body = SOUND[method, path] | {name: VALUES[kind]}
                reply = person.call(method, path.replace("{public_id}", UNKNOWN), json=body)
                if reply.status_code != 400 or not field_of(reply).startswith(name):
                    wrong.append(f"{method} {path} {name}={VALUES[kind]!r}: {reply.status_code} {reply.text[:200]}")
    assert wrong == []


def test_fault_2_18_a_field_that_is_required_is_400_when_left_out_or_null(
    document: dict[str, Any], person: Person
) -> None:
    wrong: list[str] = []
    for method, path, schema in bodies(document):
        for name in schema.get("required", []):
            rest = {key: value for key, value in SOUND[method, path].items() if key != name}
            for body in (rest, rest | {name: None}):
                reply = person.call(method, path.replace("{public_id}", UNKNOWN), json=body)
                if reply.status_code != 400 or not field_of(reply).startswith(name):
                    wrong.append(f"{method} {path} {body}: {reply.status_code} {reply.text[:200]}")
    assert wrong == []


def test_fault_2_18_a_field_that_nobody_knows_is_400_but_at_openais_door(
    document: dict[str, Any], person: Person
) -> None:
    for method, path, _ in bodies(document):
        if "/v1/" in path:
            continue
        reply = person.call(method, path.replace("{public_id}", UNKNOWN), json=SOUND[method, path] | {"nonsense": 1})
        assert (reply.status_code, field_of(reply)) == (400, "nonsense"), f"{method} {path} {reply.text}"


@pytest.mark.parametrize("raw", [b"", b"5", b"[]", b"null", b"{'a':1}", b"{} x", b"True", b"[" * 100_000])
def test_fault_2_01_and_2_06_what_is_no_json_object_is_400_at_every_route(
    raw: bytes, document: dict[str, Any], person: Person
) -> None:
    for method, path, _ in bodies(document):
        reply = person.call(
            method, path.replace("{public_id}", "x"), data=raw, headers={"Content-Type": "application/json"}
        )
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_request"), f"{method} {path}"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/jsonx"},
        {},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
        {"Content-Type": "application/json", "Content-Encoding": "br"},
    ],
)
def test_fault_2_09_json_sent_as_something_else_is_415_at_every_route(
    headers: dict[str, str], document: dict[str, Any], person: Person
) -> None:
    for method, path, _ in bodies(document):
        if path in FORMS_TOO and "form" in headers.get("Content-Type", ""):
            continue
        body = json.dumps(SOUND[method, path]).encode()
        reply = person.call(method, path.replace("{public_id}", "x"), data=body, headers=headers)
        assert (reply.status_code, reply.json()["error"]["code"]) == (415, "unsupported_media"), f"{method} {path}"


@pytest.mark.parametrize("text", ["\\ud800", "a\\u0000b"])
def test_fault_2_05_no_text_field_takes_nul_or_a_lone_surrogate(
    text: str, document: dict[str, Any], person: Person
) -> None:
    wrong: list[str] = []
    for method, path, schema in bodies(document):
        for name, told in schema["properties"].items():
            if "string" not in types_of(document, told):
                continue
            body = json.dumps(SOUND[method, path] | {name: "@"}).replace('"@"', f'"{text}"').encode()
            reply = person.call(
                method, path.replace("{public_id}", "x"), data=body, headers={"Content-Type": "application/json"}
            )
            # NUL is a character like any other in a password, and a wrong name at sign-in.
            nul_is_text = "u0000" in text and (path == "/api/auth/login" or "password" in name)
            if reply.status_code != 400 and not (nul_is_text and reply.status_code in (200, 201, 401, 403)):
                wrong.append(f"{method} {path} {name}: {reply.status_code} {reply.text[:200]}")
    assert wrong == []


def test_fault_2_17_what_is_anothers_is_404_like_what_is_not_there_at_every_route(
    document: dict[str, Any], live_server: LiveServer
) -> None:
    owner, stranger = Person(live_server.url), Person(live_server.url)
    said = owner.chat("Mine alone")
    key = owner.call("POST", "/api/keys", json={"name": "laptop"}).json()["data"]
    file = owner.call("POST", "/files/upload", files={"file": ("mine.txt", b"alone")}).json()
    template = owner.call("POST", "/api/templates", json={"name": "t", "content": "x"}).json()["data"]
    owned = {
        "template_id": template["id"],
        "public_id": said["conversation_id"],
        "session_id": said["conversation_id"],
        "prompt_id": said["prompt_id"],
        "key_id": key["id"],
        "file_id": file["id"],
        "filename": file["id"],
        "memory_id": said["prompt_id"],
    }
    for path, method, _ in operations(document):
        names = set(re.findall(r"\{([^}]+)\}", path)) - {"model_id"}
        if not names or admins(path) or path.startswith(PAGE):
            continue
        assert names <= owned.keys(), f"{path}: say in this test what another user owns of it"
        replies = []
        for ids in (owned, dict.fromkeys(owned, UNKNOWN)):
            url = re.sub(r"\{([^}]+)\}", lambda match, ids=ids: ids[match[1]], path)  # type: ignore[misc]
            replies.append(stranger.call(method, url, json=SOUND.get((method, path))))
        foreign, unknown = replies
        assert foreign.status_code == 404, f"{method} {path}: {foreign.text}"
        assert foreign.text == unknown.text, f"{method} {path} tells the two apart"
    assert owner.get(f"/api/conversations/{said['conversation_id']}").json()["data"]["message_count"] == 2


#: Fields and queries that take an id of something a user owns. A name at the short door is each caller's own.
TAKES_ID = {"conversation_id", "replaces", "prompt_id", "template_id"}
LATER = {"attachments"}
OWN_NAME = {"session_id"}
#: What an admin says whose it is meant to be.
ADMINS = {"user_id"}


def test_fault_2_17_anothers_id_in_a_body_or_query_is_404_like_an_unknown_one(
    document: dict[str, Any], live_server: LiveServer
) -> None:
    owner, stranger = Person(live_server.url), Person(live_server.url)
    said = owner.chat("Mine alone")
    own = stranger.chat("Something of my own")
    template = owner.call("POST", "/api/templates", json={"name": "t", "content": "x"}).json()["data"]
    ids = {
        "conversation_id": said["conversation_id"],
        "replaces": said["prompt_id"],
        "prompt_id": said["prompt_id"],
        "template_id": template["id"],
    }
    for method, path, schema in bodies(document):
        if admins(path):
            continue
        for name in TAKES_ID & schema["properties"].keys():
            base = SOUND[method, path] | ({"conversation_id": own["conversation_id"]} if name == "replaces" else {})
            if name == "template_id":
                base = {field: said for field, said in base.items() if field not in ("message", "prompt")}
            foreign, unknown = (stranger.call(method, path, json=base | {name: id_}) for id_ in (ids[name], UNKNOWN))
            assert foreign.status_code == 404, f"{method} {path} {name}: {foreign.text}"
            assert foreign.text == unknown.text
    query = "/llm/get-conversation-history?conversation_id="
    foreign, unknown = stranger.get(query + said["conversation_id"]), stranger.get(query + UNKNOWN)
    assert (foreign.status_code, foreign.text) == (404, unknown.text)
    assert owner.get(f"/api/conversations/{said['conversation_id']}").json()["data"]["message_count"] == 2


def test_every_field_that_names_an_id_is_known_to_these_tests(document: dict[str, Any]) -> None:
    ids = re.compile(r"(^|_)ids?$|^replaces$|^attachments$")
    found = {name for _, _, schema in bodies(document) for name in schema["properties"] if ids.search(name)}
    for _, _, operation in operations(document):
        found |= {p["name"] for p in operation.get("parameters", []) if p["in"] == "query" and ids.search(p["name"])}
    assert found <= TAKES_ID | LATER | OWN_NAME | ADMINS


#: The page answers at any address below these: what is there it asks the API for.
PAGE = ("/c/", "/app/")
ODD = ["%00", "%ff", "%2e%2e", "..%2f..%2fetc%2fpasswd", "a%2fb", "a%5cb", "%0d%0aX:1", "é" * 200, "../" * 1000]


@pytest.mark.parametrize("odd", ODD)
def test_fault_1_22_an_odd_id_is_404_at_every_route(odd: str, document: dict[str, Any], person: Person) -> None:
    for path, method, _ in operations(document):
        if "{" not in path or "model_id" in path or path.startswith(PAGE):
            continue
        url = person.url + re.sub(r"\{[^}]+\}", "@", path)
        assert isinstance(person, Both)
        prepared = requests.Request(
            method.upper(), url, headers=person.headers(path), json=SOUND.get((method, path))
        ).prepare()
        assert prepared.url is not None
        prepared.url = prepared.url.replace("@", odd)  # as it stands: the library would tidy it
        reply = requests.Session().send(prepared, timeout=10, allow_redirects=False)
        assert reply.status_code == 404, f"{method} {path} {odd}: {reply.status_code} {reply.text[:200]}"
        assert reply.json()["error"]["code"] == "not_found"


def test_fault_1_23_head_and_options_change_nothing_at_any_route(
    document: dict[str, Any], live_server: LiveServer
) -> None:
    person = Person(live_server.url)
    begun = person.chat("Here first")["conversation_id"]
    for path in document["paths"]:
        url = re.sub(r"\{[^}]+\}", begun, path)
        for method in ("HEAD", "OPTIONS"):
            reply = person.call(method, url)
            assert reply.status_code in (200, 400, 403, 404, 405), f"{method} {path}"
            assert reply.content == b""
            assert reply.headers["x-request-id"]
    assert person.get(f"/api/conversations/{begun}").json()["data"]["message_count"] == 2
    assert len(person.get("/api/conversations").json()["data"]["items"]) == 1


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND"])
def test_fault_1_23_other_methods_are_405_with_allow_at_every_route(
    method: str, document: dict[str, Any], person: Person
) -> None:
    for path in document["paths"]:
        reply = person.call(method, re.sub(r"\{[^}]+\}", "x", path))
        assert reply.status_code == 405, f"{method} {path}: {reply.status_code}"
        assert reply.headers["allow"]


def test_fault_1_9_what_is_an_admins_is_403_for_users_and_401_for_strangers_at_every_route(
    document: dict[str, Any], live_server: LiveServer
) -> None:
    user = Person(live_server.url)
    key = user.call("POST", "/api/keys", json={"name": "mine"}).json()["data"]["key"]
    found = [(path, method) for path, method, _ in operations(document) if admins(path)]
    assert len(found) > 5
    for path, method in found:
        url = live_server.url + re.sub(r"\{[^}]+\}", UNKNOWN, path)
        for token, status in ((user.token, 403), (key, 403), (None, 401)):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            for body in (SOUND.get((method, path)), {"nonsense": 1}):
                reply = requests.request(method, url, headers=headers, json=body, timeout=10)
                assert reply.status_code == status, f"{method} {path} {reply.text}"
        for other in ("/api//admin", "/API/admin") if ADMIN in path else ():
            reply = requests.get(live_server.url + path.replace(ADMIN, other), timeout=10)
            assert reply.status_code == 404, reply.url
