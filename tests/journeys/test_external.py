"""Calls to other hosts, as a caller sees them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.journeys.other_host import OtherHost, Page
from tests.journeys.people import Person
from tests.journeys.server import LiveServer

WITH_NAMES = Path(__file__).with_name("with_names.py")
METHODS = ["get", "post", "put", "delete"]


@pytest.fixture(scope="module")
def host() -> Iterator[OtherHost]:
    with OtherHost() as host:
        host.pages = {
            "/json": Page(b'{"a":[1]}', headers={"Content-Type": "application/json", "Set-Cookie": "canary=1"}),
            "/text": Page(b"hello", headers={"Content-Type": "text/plain"}),
            "/slow": Page(b"late", delay=30.0),
            "/large": Page(b"x" * (5 * 2**20 + 1)),
            "/away": Page(status=302, headers={"Location": "http://elsewhere.example/"}),
            "/onward": Page(status=302, headers={"Location": "/text"}),
            "/picture": Page(b"\x89PNG\xff", headers={"Content-Type": "image/png"}),
        }
        yield host


@pytest.fixture(scope="module")
def server(host: OtherHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    env = {
        "EXTERNAL_ALLOWED_HOSTS": "site.example, *.wide.example, private.example, 127.0.0.1, localhost",
        "EXTERNAL_API_TIMEOUT": "1",
        "TEST_NAMES": json.dumps(
            {"site.example": ["127.0.0.1", host.port], "a.wide.example": ["127.0.0.1", host.port]}
            | {"private.example": ["127.0.0.1", host.port]}
        ),
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "ROUTES_PER_MINUTE": "100000",
    }
    with LiveServer(tmp_path_factory.mktemp("external"), env, WITH_NAMES) as server:
        yield server


@pytest.fixture
def person(server: LiveServer, host: OtherHost) -> Person:
    host.asked.clear()
    return Person(server.url)


def call(person: Person, method: str = "get", **body: Any) -> requests.Response:
    return person.call("POST", f"/api/external/{method}", json=body)


def error(reply: requests.Response) -> tuple[int, str, str | None]:
    told = reply.json()["error"]
    return reply.status_code, told["code"], told["details"].get("field")


@pytest.mark.parametrize("method", METHODS)
def test_each_method_goes_out_with_what_was_given_and_comes_back_whole(
    method: str, person: Person, host: OtherHost
) -> None:
    reply = call(
        person,
        method,
        url="http://site.example/json?a=1",
        headers={"X-A": "1"},
        params={"b": "2 3"},
        payload={"c": "ü"},
    )
    assert reply.status_code == 200, reply.text
    data = reply.json()["data"]
    assert set(data) == {"status_code", "headers", "body"}
    assert (data["status_code"], data["body"]) == (200, {"a": [1]})
    assert data["headers"]["Content-Type"] == "application/json"
    [asked] = host.asked
    assert (asked.method, asked.path) == (method.upper(), "/json?a=1&b=2+3")
    assert asked.headers["x-a"] == "1"
    assert asked.headers["host"] == "site.example"
    assert json.loads(asked.body) == {"c": "ü"}


def test_fault_8_11_neither_our_token_nor_a_cookie_goes_to_the_host(person: Person, host: OtherHost) -> None:
    other = Person(person.url)
    for one in (person, other):
        assert call(one, url="http://site.example/json").status_code == 200
    for asked in host.asked:
        assert {"authorization", "cookie", "x-request-id", "x-forwarded-for"}.isdisjoint(asked.headers)
        assert person.token not in str(asked)
    for field, body in {
        "headers.Authorization": {"headers": {"Authorization": f"Bearer {person.token}"}},
        "url": {"url": f"http://site.example/?t={person.token}"},
    }.items():
        reply = call(person, **({"url": "http://site.example/json"} | body))
        assert error(reply) == (400, "invalid_request", field)
    assert len(host.asked) == 2


@pytest.mark.parametrize(
    ("body", "status", "code", "field"),
    [
        ({"url": "http://elsewhere.example/"}, 403, "forbidden", "url"),
        ({"url": "http://wide.example/"}, 403, "forbidden", "url"),
        ({"url": "http://127.0.0.1/"}, 403, "forbidden", "url"),
        ({"url": "http://localhost/"}, 403, "forbidden", "url"),
        ({"url": "http://2130706433/"}, 403, "forbidden", "url"),
        ({"url": "http://①②⑦.⓪.⓪.①/"}, 403, "forbidden", "url"),
        ({"url": "http://[::ffff:127.0.0.1]/"}, 403, "forbidden", "url"),
        ({"url": "http://169.254.169.254/latest/"}, 403, "forbidden", "url"),
        ({"url": "file:///etc/passwd"}, 400, "invalid_request", "url"),
        ({"url": "gopher://site.example/"}, 400, "invalid_request", "url"),
        ({"url": "//site.example/"}, 400, "invalid_request", "url"),
        ({"url": "http://user:word@site.example/"}, 400, "invalid_request", "url"),
        ({"url": "http://127.0.0.1\\@site.example/"}, 400, "invalid_request", "url"),
        ({"url": "http://site.example:22/"}, 400, "invalid_request", "url"),
        ({"url": "http://site.example:6379/"}, 400, "invalid_request", "url"),
        ({"url": "http://elsewhere.example:99999/"}, 400, "invalid_request", "url"),
        ({"url": ""}, 400, "invalid_request", "url"),
        ({"url": "http://site.example/", "headers": {"Host": "evil"}}, 400, "invalid_request", "headers.Host"),
        ({"url": "http://site.example/", "headers": {"X-A": "1\r\nX-B: 2"}}, 400, "invalid_request", "headers.X-A"),
        ({"url": "http://site.example/", "headers": {"X-A": 5}}, 400, "invalid_request", None),
        ({"url": "http://site.example/", "params": {"a": {}}}, 400, "invalid_request", "params"),
        ({"url": "http://site.example/", "payload": 5, "use_json": False}, 400, "invalid_request", "payload"),
    ],
)
def test_what_is_not_allowed_is_refused_and_no_packet_leaves(
    body: dict[str, Any], status: int, code: str, field: str | None, person: Person, host: OtherHost
) -> None:
    for method in METHODS:
        reply = call(person, method, **body)
        found = error(reply)
        assert found[:2] == (status, code), reply.text
        assert field is None or found[2] == field
    assert host.asked == []


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [("/slow", 504, "upstream_timeout"), ("/large", 413, "too_large"), ("/picture", 502, "upstream_failed")],
)
def test_fault_8_12_what_the_host_does_wrong_is_told(path: str, status: int, code: str, person: Person) -> None:
    assert error(call(person, url=f"http://site.example{path}"))[:2] == (status, code)


def test_a_name_that_is_not_found_is_502(person: Person) -> None:
    assert error(call(person, url="http://gone.wide.example/"))[:2] == (502, "upstream_failed")


def test_fault_8_9_a_redirect_is_followed_within_the_origin_and_else_the_answer(
    person: Person, host: OtherHost
) -> None:
    assert call(person, url="http://site.example/onward").json()["data"]["body"] == "hello"
    data = call(person, url="http://site.example/away").json()["data"]
    assert (data["status_code"], data["headers"]["Location"]) == (302, "http://elsewhere.example/")
    assert [asked.path for asked in host.asked] == ["/onward", "/text", "/away"]


def test_the_worker_serves_others_while_a_host_is_slow(person: Person) -> None:

    waiting = threading.Thread(target=call, args=(person,), kwargs={"url": "http://site.example/slow"})
    waiting.start()
    assert requests.get(f"{person.url}/api/health", timeout=0.9).status_code == 200
    waiting.join()


def test_without_a_list_every_host_is_403(live_server: LiveServer) -> None:
    reply = call(Person(live_server.url), url="http://example.com/")
    assert error(reply) == (403, "forbidden", "url")


def test_a_stranger_is_401(server: LiveServer) -> None:
    for method in METHODS:
        reply = requests.post(f"{server.url}/api/external/{method}", json={"url": "http://site.example/"}, timeout=5)
        assert reply.status_code == 401
