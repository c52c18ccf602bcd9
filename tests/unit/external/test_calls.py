"""Calls on a caller's behalf: what is sent, what comes back, what is repeated."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from app.domain.errors import DomainError, Forbidden, InvalidRequest, TooLarge, UpstreamFailed, UpstreamTimeout
from app.domain.external import ExternalCall, ExternalReply
from app.services.external.calls import MAX_REPLY_BYTES, ExternalCalls
from app.transport.guarded import Guard
from app.transport.resolver import Resolver
from tests.unit.transport.fixtures import Start
from tests.unit.transport.hostile import (
    Peer,
    Upstream,
    answer,
    says,
    says_and_closes,
    says_and_resets,
    silent,
)
from tests.unit.transport.names import Names, loopback_is_public


def calls(
    upstream: Upstream | None = None, hosts: tuple[str, ...] = ("site.example",), **options: Any
) -> ExternalCalls:
    names = Names()
    if upstream is not None:
        names.leads("site.example", ("127.0.0.1", upstream.port))
    guard = Guard(resolver=Resolver(ttl=0, getaddrinfo=names), allowed=loopback_is_public)
    return ExternalCalls(guard, allowed_hosts=["site.example"], **{"timeout": 3.0, "max_retries": 2, **options})


def ask(upstream: Upstream, method: Any = "GET", path: str = "/", **asked: Any) -> ExternalReply:
    return calls(upstream).call(ExternalCall(method, f"http://site.example{path}", **asked))


def refusal(made: ExternalCalls, asked: ExternalCall) -> DomainError:
    with pytest.raises(DomainError) as raised:
        made.call(asked)
    return raised.value


def body_of(request: bytes) -> bytes:
    return request.partition(b"\r\n\r\n")[2]


def test_a_payload_goes_out_as_json_as_a_form_or_as_text(start: Start) -> None:
    upstream = start(says(answer(b"ok")))
    ask(upstream, "POST", payload={"a": [1, None]})
    ask(upstream, "PUT", payload={"a": "x&y", "b": [1, True]}, use_json=False)
    ask(upstream, "DELETE", payload="wörd", use_json=False, headers={"content-type": "text/x"})
    ask(upstream, params={"q": "a b", "n": [1, 2]}, path="/p?z=1")
    as_json, as_form, as_text, plain = upstream.requests
    assert as_json.startswith(b"POST / HTTP/1.1\r\n")
    assert b"Content-Type: application/json\r\n" in as_json
    assert json.loads(body_of(as_json)) == {"a": [1, None]}
    assert b"Content-Type: application/x-www-form-urlencoded\r\n" in as_form
    assert body_of(as_form) == b"a=x%26y&b=1&b=true"
    assert b"content-type: text/x\r\n" in as_text
    assert b"text/plain" not in as_text
    assert body_of(as_text) == "wörd".encode()
    assert plain.startswith(b"GET /p?z=1&q=a+b&n=1&n=2 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("kind", "body", "shown"),
    [
        (b"application/json; charset=utf-8", b'{"a":[1]}', {"a": [1]}),
        (b"application/problem+json", b"null", None),
        (b"application/json", b"{broken", "{broken"),
        (b"application/json", b"[" * 5_000, "[" * 5_000),
        (b"text/plain", "ä".encode(), "ä"),
        (b"text/html; charset=iso-8859-1", b"\xe4", "ä"),
        (b"text/html", b"\xe4", "ä"),
        (b"text/plain; charset=zip", b"a", "a"),
        (b"application/octet-stream", b"", ""),
    ],
)
def test_json_comes_back_as_json_and_all_else_as_text(kind: bytes, body: bytes, shown: object, start: Start) -> None:
    assert ask(start(says(answer(body, b"Content-Type: " + kind)))).body == shown


def test_fault_8_12_what_is_no_text_is_a_fault(start: Start) -> None:
    upstream = start(says(answer(b"\x89PNG\xff", b"Content-Type: image/png")))
    fault = refusal(calls(upstream), ExternalCall("GET", "http://site.example/"))
    assert isinstance(fault, UpstreamFailed)


def test_a_status_of_the_host_is_an_answer(start: Start) -> None:
    upstream = start(says(answer(b"no", b"X-A: 1", b"X-A: 2", status=b"503 Busy")))
    reply = ask(upstream)
    assert (reply.status_code, reply.headers["X-A"], reply.body) == (503, "1, 2", "no")
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    "url", ["http://evil.example/", "http://sub.site.example/", "http://127.0.0.1/", "http://[::1]/"]
)
@pytest.mark.parametrize("hosts", [("site.example",), ()])
def test_fault_8_8_a_host_that_is_not_listed_is_403_without_a_look_up(url: str, hosts: tuple[str, ...]) -> None:
    names = Names()
    made = ExternalCalls(Guard(resolver=Resolver(getaddrinfo=names)), allowed_hosts=hosts, timeout=1.0, max_retries=2)
    assert isinstance(refusal(made, ExternalCall("GET", url)), Forbidden)
    assert names.asked == []


def test_fault_8_4_a_listed_host_that_is_not_public_is_403_all_the_same(start: Start) -> None:
    upstream = start(says(answer(b"secret")))
    names = Names(site_example=[("127.0.0.1", upstream.port)])
    guard = Guard(resolver=Resolver(ttl=0, getaddrinfo=names))
    made = ExternalCalls(guard, allowed_hosts=["site.example", "127.0.0.1"], timeout=1.0, max_retries=2)
    for url in ("http://site.example/", "http://127.0.0.1/"):
        assert isinstance(refusal(made, ExternalCall("GET", url)), Forbidden)
    assert upstream.peers == []


@pytest.mark.parametrize("asked", [{"url": "http://site.example/?t=sk-own"}, {"headers": {"X-A": "Bearer sk-own"}}])
def test_fault_8_11_the_callers_own_token_goes_nowhere(asked: dict[str, Any], start: Start) -> None:
    upstream = start(says(answer(b"ok")))
    fault = refusal(
        calls(upstream), ExternalCall("GET", **{"url": "http://site.example/", **asked}, own_token="sk-own")
    )
    assert isinstance(fault, InvalidRequest)
    assert upstream.peers == []


CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"


def redirect(to: str, status: bytes) -> Callable[[Peer], None]:
    return says(answer(b"moved", b"Location: " + to.encode(), status=status))


def test_fault_8_9_redirects_within_the_origin_are_followed_as_browsers_do(start: Start) -> None:
    upstream = start(redirect("/2", b"302 Found"), redirect("http://site.example/3", b"307 X"), says(answer(b"there")))
    reply = ask(upstream, "POST", payload={"a": 1}, headers={"X-A": "1"})
    assert (reply.status_code, reply.body) == (200, "there")
    first, second, third = upstream.requests
    assert first.startswith(b"POST / ")
    assert second.startswith(b"GET /2 ")
    assert third.startswith(b"GET /3 ")
    assert body_of(second) == b""
    assert b"application/json" not in second
    assert b"X-A: 1" in third
    kept = start(redirect("/2", b"308 X"), says(answer(b"there")))
    ask(kept, "POST", payload={"a": 1})
    assert kept.requests[1].startswith(b"POST /2 ")
    assert body_of(kept.requests[1]) == b'{"a":1}'


@pytest.mark.parametrize(
    "to",
    [
        "https://site.example/",
        "http://site.example:8080/",
        "http://other.example/",
        "//evil.example/",
        "file:///x",
        "\\\\x",
    ],
)
def test_fault_8_9_a_redirect_elsewhere_is_the_answer(to: str, start: Start) -> None:
    upstream = start(redirect(to, b"302 Found"))
    reply = ask(upstream)
    assert (reply.status_code, reply.headers["Location"], reply.body) == (302, to, "")
    assert len(upstream.requests) == 1


def test_fault_8_9_a_loop_ends_with_the_redirect_as_the_answer(start: Start) -> None:
    upstream = start(redirect("/", b"302 Found"))
    assert ask(upstream).status_code == 302
    assert len(upstream.requests) == 4


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "broken", [says_and_closes(), says_and_resets(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")]
)
def test_fault_8_13_what_may_be_repeated_is_repeated(method: Any, broken: Any, start: Start) -> None:
    upstream = start(broken, broken, says(answer(b"ok")))
    assert ask(upstream, method).body == "ok"
    assert len(upstream.requests) == 3
    lasting = start(broken)
    assert isinstance(refusal(calls(lasting), ExternalCall(method, "http://site.example/")), UpstreamFailed)
    assert len(lasting.requests) == 3


def test_fault_8_13_a_post_that_broke_after_sending_is_not_repeated(start: Start) -> None:
    upstream = start(says_and_closes(), says(answer(b"ok")))
    assert isinstance(refusal(calls(upstream), ExternalCall("POST", "http://site.example/", payload=1)), UpstreamFailed)
    assert len(upstream.requests) == 1


def test_fault_8_13_a_post_whose_connection_was_not_made_is_repeated(start: Start) -> None:
    gone, upstream = start(silent), start(says(answer(b"ok")))
    gone.stop_listening()
    names = Names(site_example=[[("127.0.0.1", gone.port)], [("127.0.0.1", upstream.port)]])
    guard = Guard(resolver=Resolver(ttl=0, getaddrinfo=names), allowed=loopback_is_public)
    made = ExternalCalls(guard, allowed_hosts=["site.example"], timeout=3.0, max_retries=1)
    assert made.call(ExternalCall("POST", "http://site.example/")).body == "ok"


def test_fault_8_12_five_megabytes_pass_and_a_byte_more_is_413(start: Start) -> None:
    upstream = start(says(answer(b"x" * MAX_REPLY_BYTES)), says(answer(b"x" * (MAX_REPLY_BYTES + 1))))
    assert len(str(ask(upstream).body)) == MAX_REPLY_BYTES
    assert isinstance(refusal(calls(upstream), ExternalCall("GET", "http://site.example/")), TooLarge)


def test_fault_8_12_the_time_is_for_all_tries_together(start: Start) -> None:
    def slow(peer: Peer) -> None:
        peer.request()
        peer.say(b"HTTP/1.1 200 OK\r\n", b"X", pause=0.2)
        peer.close()

    upstream = start(slow)
    began = time.monotonic()
    fault = refusal(calls(upstream, timeout=0.6, max_retries=20), ExternalCall("GET", "http://site.example/"))
    assert isinstance(fault, UpstreamTimeout | UpstreamFailed)
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize("asked", [{"params": {"a": {"b": 1}}}, {"payload": 5, "use_json": False}])
def test_what_cannot_be_written_into_a_query_or_a_form_is_refused(asked: dict[str, Any]) -> None:
    fault = refusal(calls(), ExternalCall("POST", "http://site.example/", **asked))
    assert isinstance(fault, InvalidRequest)
    assert fault.field in asked
