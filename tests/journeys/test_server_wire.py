"""Requests as bytes: what the server and the hygiene before Flask make of broken, slow and misleading ones."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests

from tests.journeys.server import LiveServer
from tests.journeys.wire import Answer, Wire, ask

HOST = b"Host: a.example\r\n"
CHAT = b"POST /llm/chat HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
CHUNKED = CHAT + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("wire")
    with LiveServer(folder, {"BODY_TIMEOUT": "2", "MAX_BODY_MB": "1", "MAX_STREAMS": "3"}) as running:
        yield running


@pytest.fixture
def port(server: LiveServer) -> Iterator[int]:
    """And afterwards the same worker still serves, with nothing counted as in flight for ever."""
    yield server.port
    assert requests.get(f"{server.url}/api/health", timeout=1).status_code == 200
    for _ in range(4):
        assert requests.post(f"{server.url}/llm/chat", json={}, timeout=1).status_code == 401


def chat_body(body: bytes) -> bytes:
    return CHAT + b"Content-Length: %d\r\n\r\n" % len(body) + body


def get(path: bytes, *headers: bytes, method: bytes = b"GET") -> bytes:
    return method + b" " + path + b" HTTP/1.1\r\n" + HOST + b"".join(h + b"\r\n" for h in headers) + b"\r\n"


def refused(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["x-request-id"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.closed


class TestHosts:
    @pytest.mark.parametrize("path", [b"/llm//chat", b"/api//keys", b"//evil.example/llm/chat"])
    def test_fault_1_17_an_empty_segment_is_not_found_and_never_redirects(self, port: int, path: bytes) -> None:
        answer = ask(port, get(path, b"Host2: evil.example"))
        refused(answer, 404, "not_found")
        assert "location" not in answer.headers

    @pytest.mark.parametrize("path", [b"/api/keys/", b"/llm/chat/", b"/v1/models/", b"/sessions/"])
    def test_fault_1_17_a_trailing_slash_is_not_found_and_never_redirects(self, port: int, path: bytes) -> None:
        answer = ask(port, get(path))
        assert answer.status == 404
        assert "location" not in answer.headers

    def test_fault_1_17_http_1_1_without_a_host_is_refused(self, port: int) -> None:
        answer = ask(port, b"GET /api/health HTTP/1.1\r\n\r\n")
        refused(answer, 400, "invalid_request")
        assert answer.json["error"]["details"]["field"] == "Host"

    def test_http_1_0_needs_none(self, port: int) -> None:
        assert ask(port, b"GET /api/health HTTP/1.0\r\n\r\n").status == 200

    def test_only_allowed_hosts_are_answered(self, tmp_path: object, live_folder: LiveServer) -> None:
        for host, status in ((b"a.example", 200), (b"A.example:99", 200), (b"x.b.example", 200), (b"b.example", 400)):
            assert ask(live_folder.port, b"GET /api/health HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").status == status


@pytest.fixture(scope="module")
def live_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    env = {"ALLOWED_HOSTS": "a.example,*.b.example,127.0.0.1"}
    with LiveServer(tmp_path_factory.mktemp("hosts"), env) as running:
        yield running


class TestFraming:
    @pytest.mark.parametrize(
        "head",
        [
            b"Content-Length: 3\r\nTransfer-Encoding: chunked",
            b"Content-Length: 3\r\nContent-Length: 4",
            b"Content-Length: +3",
            b"Content-Length: -1",
            b"Content-Length: 3, 3",
            b"Transfer-Encoding: xchunked",
            b"Transfer-Encoding: chunked, identity",
            b"Transfer-Encoding: \x0bchunked",
            b"X-A : b",
            b"X-A: b\r\n folded",
            b"X-A: b\nX-B: c",
            b"X-A: b\rX-B: c",
            b"X-A: \x00",
        ],
    )
    def test_fault_1_19_an_ambiguous_head_is_refused_and_what_follows_never_runs(self, port: int, head: bytes) -> None:
        hidden = get(b"/api/health")
        answer = ask(port, CHAT + head + b"\r\n\r\n0\r\n\r\n" + hidden)
        assert answer.status in (400, 501)
        assert b"200 OK" not in answer.body

    @pytest.mark.parametrize("chunks", [b"-3\r\nabc\r\n", b"0x3\r\nabc\r\n", b"3\r\nabcX\r\n0\r\n\r\n", b"z\r\n"])
    def test_fault_1_20_broken_chunks_are_the_callers_fault(self, port: int, chunks: bytes) -> None:
        refused(ask(port, CHUNKED + chunks), 400, "invalid_request")

    def test_fault_1_20_an_end_before_the_last_chunk_is_the_callers_fault(self, port: int) -> None:
        refused(ask(port, CHUNKED + b"3\r\nabc\r\n", finish=True), 400, "invalid_request")

    def test_fault_1_20_a_body_shorter_than_it_says_is_refused(self, port: int) -> None:
        body = CHAT + b"Content-Length: 10\r\n\r\nabc"
        refused(ask(port, body, finish=True), 400, "invalid_request")

    def test_a_sound_chunked_body_is_read(self, port: int) -> None:
        answer = ask(port, CHUNKED + b'2;x="y"\r\n{}\r\n0\r\nX-Trailer: 1\r\n\r\n')
        assert (answer.status, answer.code) == (401, "unauthorized")

    @pytest.mark.parametrize("coding", [b"gzip", b"br", b"deflate", b"gzip, gzip", b"zstd"])
    def test_fault_2_09_an_encoded_body_is_refused_undecoded(self, port: int, coding: bytes) -> None:
        request = CHAT + b"Content-Encoding: " + coding + b"\r\nContent-Length: 2\r\n\r\n{}"
        refused(ask(port, request), 415, "unsupported_media")


class TestSizeAndTime:
    def test_fault_1_21_a_length_past_the_limit_is_refused_at_once(self, port: int) -> None:
        began = time.monotonic()
        answer = ask(port, CHAT + b"Content-Length: 100000000000000\r\n\r\n")
        refused(answer, 413, "too_large")
        assert time.monotonic() - began < 1

    def test_fault_2_10_whoever_is_still_sending_gets_the_refusal(self, port: int) -> None:
        body = b"x" * (2**20 + 1)
        answer = ask(port, chat_body(body))
        refused(answer, 413, "too_large")
        assert answer.json["error"]["details"]["reason"] == "size"
        assert str(2**20) in answer.json["error"]["message"]

    def test_fault_2_10_chunks_past_the_limit_are_refused(self, port: int) -> None:
        piece = b"80000\r\n" + b"x" * 0x80000 + b"\r\n"
        refused(ask(port, CHUNKED, piece, piece, piece), 413, "too_large")

    @pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
    def test_fault_1_21_a_body_that_does_not_come_ends_in_408(self, port: int, expect: bytes) -> None:
        with Wire(port) as wire:
            wire.send(CHAT + expect + b"Content-Length: 5000\r\n\r\n", b"" if expect else b"{")
            answer = wire.answer()
            if expect:
                assert answer.status == 100
                answer = wire.answer()
        refused(answer, 408, "request_timeout")

    @pytest.mark.parametrize("start", [b"GET /api/health HTTP/1.1\r\nHo", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b""])
    def test_fault_1_21_a_head_that_does_not_end_is_closed_in_two_seconds(self, port: int, start: bytes) -> None:
        began = time.monotonic()
        answer = ask(port, start)
        assert answer.closed
        assert time.monotonic() - began < 4

    def test_fault_1_22_too_much_head_is_refused(self, port: int) -> None:
        assert ask(port, get(b"/", *[b"X-%d: 1" % n for n in range(101)])).status == 431
        assert ask(port, get(b"/", b"X: " + b"a" * 8191)).status == 431
        assert ask(port, get(b"/" + b"a" * 4095)).status == 414

    @pytest.mark.parametrize(
        "path",
        [
            b"/api/conversations/%2e%2e",
            b"/api%2Fkeys",
            b"/api/conversations/a%2fb",
            b"/api/conversations/%00",
            b"/api/conversations/%ff",
            b"/api/conversations/..",
            b"/history/a\\b",
            b"/history/a%5Cb",
            b"/history/%0d%0aX-Evil:1",
            b"/" + b"../" * 1300,
            b"/%2e%2e/%2e%2e/etc/passwd",
        ],
    )
    def test_fault_1_22_odd_paths_are_not_found(self, port: int, path: bytes) -> None:
        assert ask(port, get(path)).status == 404


class TestMethods:
    @pytest.mark.parametrize("method", [b"TRACE", b"PROPFIND", b"CONNECT"])
    def test_fault_1_23_foreign_methods_are_not_allowed(self, port: int, method: bytes) -> None:
        answer = ask(port, get(b"/llm/chat", method=method))
        assert (answer.status, answer.code) == (405, "method_not_allowed")
        assert "POST" in answer.headers["allow"]

    def test_fault_1_23_connect_to_a_host_is_not_allowed(self, port: int) -> None:
        assert ask(port, get(b"evil.example:443", method=b"CONNECT")).status == 405

    @pytest.mark.parametrize("target", [b"/llm/chat?_method=DELETE", b"/llm/chat"])
    def test_fault_1_23_an_override_is_ignored(self, port: int, target: bytes) -> None:
        head = b"X-HTTP-Method-Override: POST"
        assert ask(port, get(target, head)).status == 405

    @pytest.mark.parametrize(
        "path", [b"/console", b"/?__debugger__=yes&cmd=resource&f=x", b"/.env", b"/instance/app.db"]
    )
    def test_fault_11_10_nothing_of_the_inside_is_served(self, port: int, path: bytes) -> None:
        answer = ask(port, get(path, b"Accept: application/json"))
        assert answer.status == 404 or b"running" in answer.body


class TestFullHouse:
    def test_fault_11_04_past_max_streams_the_caller_is_told_at_once_and_health_answers(self, port: int) -> None:
        held = [Wire(port).send(CHAT + b"Content-Length: 10\r\n\r\n{") for _ in range(3)]
        try:
            answer = _as_soon_as_full(port)
            refused(answer, 503, "overloaded")
            assert answer.headers["retry-after"] == "1"
            began = time.monotonic()
            assert ask(port, get(b"/api/health")).status == 200
            assert ask(port, get(b"/v1/models")).json["error"]["type"] == "server_error"
            assert time.monotonic() - began < 0.5
        finally:
            for wire in held:
                wire.close()
        end = time.monotonic() + 3
        while ask(port, get(b"/llm/chat", method=b"POST")).status == 503:
            assert time.monotonic() < end, "places are not given back"


def _as_soon_as_full(port: int) -> Answer:
    end = time.monotonic() + 2
    while (answer := ask(port, get(b"/llm/chat", method=b"POST"))).status != 503:
        assert time.monotonic() < end
    return answer
