"""Every reply has our id, the headers owed to it and the shape of its door."""

from __future__ import annotations

import uuid
from functools import partial
from io import BytesIO
from typing import Any

import orjson
import pytest
from flask import Flask, Response
from flask.testing import FlaskClient

from app.domain.errors import DomainError, NotFound, Overloaded, RateLimited, Unauthorized
from app.middleware import doorway
from app.middleware.access_log import masked_query
from app.middleware.big_bodies import BigBodies
from app.middleware.errors import shape_error
from app.schemas import json_body
from app.schemas.document import error_classes

TRACE = "/work-of-art/secret.py"


def app(**options: Any) -> Flask:
    made = Flask("door", static_folder=None)
    json_body.register(made, max_bytes=10 * 2**20)

    @made.get("/llm/page")
    def page() -> Response:
        return Response("<p>hello</p>", content_type="text/html")

    @made.get("/v1/bug")
    def bug() -> Response:
        raise RuntimeError(f"SELECT password FROM users -- {TRACE}")

    @made.post("/llm/echo")
    def echo() -> Response:
        return Response(orjson.dumps(json_body.read_json()), content_type="application/json")

    doorway.register(made, **options)
    return made


@pytest.fixture
def client() -> FlaskClient:
    return app().test_client()


@pytest.mark.parametrize("path", ["/llm/page", "/v1/bug", "/nowhere", "/%00", "/%ff"])
def test_every_reply_bears_an_id_of_ours(client: FlaskClient, path: str) -> None:
    sent = client.get(path, headers={"X-Request-Id": "mine"}).headers["x-request-id"]
    assert uuid.UUID(sent).version == 7


@pytest.mark.parametrize("theirs", ["a\x0b1", "x" * 10_000, "01a1fe7c-fd55-7522-b404-82245d7bd536"])
def test_fault_2_20_a_callers_request_id_is_never_taken_for_ours(client: FlaskClient, theirs: str) -> None:
    assert theirs not in client.get("/llm/page", headers={"X-Request-Id": theirs}).headers.getlist("x-request-id")


def test_a_bug_is_500_in_shape_and_tells_nothing(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    reply = client.get("/v1/bug")
    assert (reply.status_code, reply.get_json()["error"]["code"]) == (500, "internal_error")
    assert TRACE not in reply.text
    assert "SELECT" not in reply.text
    assert TRACE in caplog.text


@pytest.mark.parametrize(
    "path",
    ["/llm//page", "/llm/page/", "/LLM/page", "/llm/%2e%2e/page", "/llm/page%00", "/llm\\page"],
)
def test_fault_1_22_odd_paths_are_404_in_shape_and_never_a_redirect(client: FlaskClient, path: str) -> None:
    reply = client.get(path, headers={"Host": "evil.example"})
    assert (reply.status_code, reply.get_json()["error"]["code"]) == (404, "not_found")
    assert "location" not in reply.headers


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "DELETE"])
def test_fault_1_23_methods_that_a_path_has_not_are_405_with_allow(client: FlaskClient, method: str) -> None:
    reply = client.open("/llm/page", method=method)
    assert (reply.status_code, reply.get_json()["error"]["code"]) == (405, "method_not_allowed")
    assert "GET" in reply.headers["Allow"]


def test_fault_1_23_a_method_override_is_ignored(client: FlaskClient) -> None:
    reply = client.get("/llm/page?_method=DELETE", headers={"X-HTTP-Method-Override": "DELETE"})
    assert reply.text == "<p>hello</p>"


def test_fault_1_23_head_is_get_without_a_body(client: FlaskClient) -> None:
    reply = client.head("/llm/page")
    assert (reply.status_code, reply.data) == (200, b"")


def test_fault_10_04_an_html_answer_bears_the_strict_policy(client: FlaskClient) -> None:
    headers = client.get("/llm/page").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


GOOD = "https://good.example"
STRANGERS = ["https://evil", "null", f"{GOOD}.evil", "http://good.example", f"{GOOD}:444", "https://goodxexample"]


@pytest.mark.parametrize("origin", STRANGERS)
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_fault_1_16_a_foreign_origin_gets_no_cors_header(origin: str, method: str) -> None:
    reply = (
        app(cors_origins=[GOOD])
        .test_client()
        .open("/llm/page", method=method, headers={"Origin": origin, "Access-Control-Request-Method": "GET"})
    )
    assert not [name for name in reply.headers if name[0].lower().startswith("access-control")]
    assert "Origin" in reply.headers["Vary"]


@pytest.mark.parametrize("origin", [GOOD, "http://[::1]:5173"])
def test_fault_1_16_a_named_origin_is_answered_with_credentials(origin: str) -> None:
    reply = app(cors_origins=[origin]).test_client().get("/llm/page", headers={"Origin": origin})
    assert reply.headers["Access-Control-Allow-Origin"] == origin
    assert reply.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in reply.headers["Vary"]


def test_fault_1_16_a_star_is_everybody_and_never_with_credentials() -> None:
    reply = app(cors_origins=["*"]).test_client().get("/nowhere", headers={"Origin": "https://evil"})
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in reply.headers


def test_fault_1_16_without_cors_origins_no_cors_header_is_ever_sent(client: FlaskClient) -> None:
    reply = client.get("/llm/page", headers={"Origin": GOOD})
    assert not [name for name, _ in reply.headers if name.lower().startswith("access-control")]


def test_fault_1_16_json_sent_as_a_form_sends_it_is_415(client: FlaskClient) -> None:
    reply = client.post("/llm/echo", data='{"a":1}', content_type="text/plain")
    assert (reply.status_code, reply.get_json()["error"]["code"]) == (415, "unsupported_media")


@pytest.mark.parametrize("kind", error_classes(), ids=lambda kind: kind.__name__)
def test_every_error_has_its_status_and_shape_at_both_kinds_of_door(kind: type[DomainError]) -> None:
    error = kind("what happened", field="messages[0].content", details={"reason": "size"})
    status, headers, body = shape_error(error, "/openai/v1/chat/completions", "id")
    assert (status, headers["x-request-id"]) == (kind.status, "id")
    assert orjson.loads(body) == {
        "error": {
            "message": "what happened",
            "type": kind.kind,
            "param": "messages[0].content",
            "code": kind.code,
            "details": {"reason": "size"},
        }
    }
    status, _, body = shape_error(error, "/llm/chat", "id")
    assert status == kind.status
    assert orjson.loads(body) == {
        "status": "error",
        "error": {
            "code": kind.code,
            "message": "what happened",
            "details": {"reason": "size", "field": "messages[0].content"},
        },
    }


@pytest.mark.parametrize(("wait", "shown"), [(0.2, "1"), (1.2, "2"), (60, "60"), (None, "1"), (float("inf"), "1")])
def test_retry_after_is_whole_seconds_and_at_least_one(wait: float | None, shown: str) -> None:
    for kind in (RateLimited, Overloaded):
        assert shape_error(kind("wait", retry_after=wait), "/x", "id")[1]["retry-after"] == shown


def test_unauthorized_asks_for_a_bearer_and_other_errors_bear_no_retry_after() -> None:
    assert shape_error(Unauthorized("who"), "/x", "id")[1]["www-authenticate"] == "Bearer"
    assert "retry-after" not in shape_error(NotFound("gone"), "/x", "id")[1]


def test_an_error_whose_words_hold_lone_surrogates_still_leaves_in_shape() -> None:
    _, _, body = shape_error(NotFound("\ud800", details={"models": {"\udfff"}}), "/x", "id")
    assert orjson.loads(body)["error"]["code"] == "not_found"


def access_line(path: str, **headers: str) -> tuple[bytes, dict[str, Any]]:
    lines: list[bytes] = []
    client = app(write_access=lines.append).test_client()
    client.get(path, headers=headers).close()
    assert len(lines) == 1
    shown: dict[str, Any] = orjson.loads(lines[0])
    return lines[0], shown


def test_a_request_writes_one_line_with_the_id_of_its_reply() -> None:
    lines: list[bytes] = []
    reply = app(write_access=lines.append).test_client().get("/llm/page")
    reply.close()
    [shown] = [orjson.loads(line) for line in lines]
    assert shown["request_id"] == reply.headers["x-request-id"]
    assert (shown["method"], shown["path"], shown["status"]) == ("GET", "/llm/page", 200)


@pytest.mark.parametrize("query", ["api_key=sk-abcdef", "access_token=sk-abcdef", "%61pi_key=sk-abcdef", "sk-abcdef"])
def test_fault_1_04_a_key_in_the_query_is_not_in_the_log(query: str) -> None:
    line, _ = access_line(f"/llm/page?limit=3&{query}")
    assert b"abcdef" not in line
    assert b"limit=3" in line


def test_a_key_in_the_path_or_the_agent_is_not_in_the_log() -> None:
    line, _ = access_line("/api/keys/sk-abcdefgh", **{"User-Agent": "curl sk-abcdefgh"})
    assert b"abcdefgh" not in line


@pytest.mark.parametrize("text", ["a%0d%0ab", "%1b[2J", "%E2%80%A8", "x" * 3000])
def test_fault_11_07_a_log_line_is_one_line_of_json_under_8_kb(text: str) -> None:
    line, _ = access_line(f"/{text}?{text}", **{"User-Agent": "x" * 5000})
    assert line.count(b"\n") == 1
    assert b"\x1b" not in line
    assert len(line) < 8192


def test_values_of_unknown_names_in_a_query_are_hidden() -> None:
    assert masked_query("limit=3&q=my+words&token") == "limit=3&q=***&***"


def test_fault_2_07_large_bodies_share_a_room_and_are_refused_past_it() -> None:
    rooms = BigBodies(3 * 2**20)
    held = [_big(rooms, 2**20 + 2**19) for _ in range(2)]
    with pytest.raises(Overloaded) as caught:
        _big(rooms, 2**20 + 2**19)
    assert caught.value.retry_after == 1
    for body in held:
        body.give_back()
        body.give_back()
    assert rooms.left == 3 * 2**20
    _big(rooms, 3 * 2**20)


def test_a_chunked_body_takes_its_room_as_it_comes() -> None:
    rooms = BigBodies(2 * 2**20)
    environ = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": BytesIO(b"x" * (4 * 2**20))}
    body = rooms.measure(environ)
    assert body is not None
    with pytest.raises(Overloaded):
        sum(map(len, iter(partial(body.read, 65536), b"")))
    body.give_back()
    assert rooms.left == 2 * 2**20


def test_a_small_body_takes_no_room() -> None:
    assert BigBodies(0).measure({"CONTENT_LENGTH": "999999", "wsgi.input": BytesIO()}) is None
    assert BigBodies(0).measure({}) is None


def _big(rooms: BigBodies, size: int) -> Any:
    body = rooms.measure({"CONTENT_LENGTH": str(size), "wsgi.input": BytesIO(b"x" * size)})
    assert body is not None
    body.read(size)
    return body


def test_a_large_body_gives_its_room_back_with_its_reply() -> None:
    made = app()
    client = made.test_client()
    for _ in range(40):
        reply = client.post("/llm/echo", data=b'{"a":"' + b"x" * 2**21 + b'"}', content_type="application/json")
        assert reply.status_code == 200
