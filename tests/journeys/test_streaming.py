"""Streams on their way out: room three of the fault list."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
import requests

from tests.journeys.gateway import GROQ, Gateway, chunks, events, soon, text_of
from tests.journeys.invariants import Invariants, assert_error
from tests.journeys.raw_client import RawClient
from tests.journeys.real_stores import owed
from tests.journeys.server import free_port
from tests.providers.fixtures import EmulatedProviders

#: What a client that leaves may cost: the watch looks each 0.4 s, the rest is this machine.
LET_GO = 1.0
APP, OPENAI_DOOR, SHORT = "/llm/chat", "/v1/chat/completions", "/chat?model=" + GROQ
STREAMING_DOORS = [APP, OPENAI_DOOR]
CLOSINGS: list[Callable[[RawClient], None]] = [RawClient.close, RawClient.reset]


def _body(path: str, message: str, *, stream: bool = True) -> dict[str, Any]:
    if path.startswith("/chat"):
        return {"prompt": message}
    if path == APP:
        return {"message": message, "model": GROQ, "stream": stream}
    return {"messages": [{"role": "user", "content": message}], "model": GROQ, "stream": stream}


def _streams(gateway: Gateway, message: str) -> list[RawClient]:
    """A stream for each door and way to close."""
    return [RawClient(gateway, path, _body(path, message)) for path in STREAMING_DOORS for _ in CLOSINGS]


def _close_all(clients: list[RawClient]) -> float:
    """Half of them by FIN, half by RST; when it was done."""
    for index, client in enumerate(clients):
        CLOSINGS[index % 2](client)
    return time.time()


def _calls(gateway: Gateway) -> list[dict[str, Any]]:
    return [call for call in gateway.upstream.log() if call["method"] == "POST"]


def _all_left(gateway: Gateway, since: float, count: int) -> None:
    """The upstream saw us close so many calls, soon after the clients had left."""
    calls = soon(lambda: _n_left(gateway, count), LET_GO + 1, "the upstream was not let go")
    assert max(call["left"] for call in calls) - since < LET_GO


def _n_left(gateway: Gateway, count: int) -> list[dict[str, Any]]:
    left = [call for call in _calls(gateway) if call["left"]]
    return left if len(left) == count else []


def _rows_since(gateway: Gateway, known: set[str], count: int) -> list[dict[str, Any]]:
    """The rows of these chats, as soon as all are there."""

    def new() -> list[dict[str, Any]]:
        rows = [row for row in gateway.sql("SELECT * FROM requests") if row["prompt_id"] not in known]
        return rows if len(rows) >= count else []

    rows = soon(new, 3.0, f"not {count} rows")
    assert len(rows) == count
    return rows


@pytest.fixture
def known(gateway: Gateway, invariants: Invariants) -> set[str]:
    """Ids of the rows before the test."""
    return {row["prompt_id"] for row in gateway.sql("SELECT prompt_id FROM requests")}


# --- 3.1 the client leaves -----------------------------------------------------------------------------------------


def test_fault_3_01_a_client_that_leaves_before_the_first_byte(gateway: Gateway, known: set[str]) -> None:
    gateway.behave("silent", to_leavers=True)
    clients = _streams(gateway, "anyone?")
    clients += [RawClient(gateway, path, _body(path, "?", stream=False)) for path in (APP, OPENAI_DOOR, SHORT)]
    soon(lambda: len(_calls(gateway)) == len(clients))
    since = _close_all(clients)
    _all_left(gateway, since, len(clients))
    rows = _rows_since(gateway, known, len(clients))
    assert {(row["state"], row["completion_tokens"]) for row in rows} == {("client_gone", 0)}


def test_fault_3_01_a_client_that_leaves_in_mid_stream_is_charged_what_the_provider_sent(
    gateway: Gateway, known: set[str]
) -> None:
    gateway.behave("silent-after-3", to_leavers=True)
    clients = _streams(gateway, "one two three four")
    for client in clients:
        client.read_until(b"one ")
    since = _close_all(clients)
    _all_left(gateway, since, len(clients))
    rows = _rows_since(gateway, known, len(clients))
    assert {row["state"] for row in rows} == {"client_gone"}
    assert {row["usage_source"] for row in rows} == {"counted"}
    for row in rows:
        assert row["completion_tokens"] > 0
        assert row["charge"] > 0
        stored = gateway.sql("SELECT content, state FROM messages WHERE prompt_id = :id", id=row["prompt_id"])
        if row["door"] == "app":
            answers = [m["content"] for m in stored if m["content"] != "one two three four"]
            assert answers == ["Answer to: one "]
        else:
            assert stored == []


def test_fault_3_01_a_client_that_leaves_at_the_last_chunk(gateway: Gateway, known: set[str]) -> None:
    """The provider has told its finish and owes its usage."""
    gateway.behave("hang-after-finish", to_leavers=True)
    clients = _streams(gateway, "last words")
    for client in clients:
        client.read_until(b"words")
    since = _close_all(clients)
    _all_left(gateway, since, len(clients))
    rows = _rows_since(gateway, known, len(clients))
    assert {row["state"] for row in rows} <= {"client_gone", "complete"}


def test_fault_3_01_a_client_that_leaves_after_the_end_was_complete(gateway: Gateway, known: set[str]) -> None:
    clients = _streams(gateway, "all of it")
    for client in clients:
        client.read_reply()
    _close_all(clients)
    assert {row["state"] for row in _rows_since(gateway, known, len(clients))} == {"complete"}


def test_fault_3_01_nothing_is_held_in_redis_of_clients_that_left(production: Gateway) -> None:
    """Twenty streams left by their clients, over two workers: no place, no lease, no window is held by them."""
    invariants = Invariants(production)
    production.behave("silent-after-2", to_leavers=True)
    clients = [RawClient(production, APP, _body(APP, "a b c")) for _ in range(20)]
    for client in clients:
        client.read_until(b"to: ")
    since = _close_all(clients)
    _all_left(production, since, len(clients))
    for client in clients:
        assert production.settled(client.prompt_id)["state"] == "client_gone"
    invariants.check()


# --- 3.2, 3.3 stray bytes and half-closed connections --------------------------------------------------------------


@pytest.mark.parametrize("path", STREAMING_DOORS)
def test_fault_3_02_a_client_that_said_too_much_is_seen_to_leave(gateway: Gateway, known: set[str], path: str) -> None:
    gateway.behave("silent-after-1", to_leavers=True)
    stray, pipelined = (RawClient(gateway, path, _body(path, "hello")) for _ in range(2))
    for client in (stray, pipelined):
        client.read_until(b"Answer ")
    stray.send(b"X")
    pipelined.send(pipelined.request(path, _body(path, "the second")))
    since = _close_all([stray, pipelined])
    _all_left(gateway, since, 2)
    assert {row["state"] for row in _rows_since(gateway, known, 2)} == {"client_gone"}
    gateway.say("one more, so that a second request had its time", model="demo")
    assert all("the second" not in json.dumps(call["body"]) for call in _calls(gateway))


@pytest.mark.parametrize("path", STREAMING_DOORS)
def test_fault_3_03_a_half_closed_connection_counts_as_gone(gateway: Gateway, known: set[str], path: str) -> None:
    gateway.behave("silent-after-1", to_leavers=True)
    with RawClient(gateway, path, _body(path, "hello")) as client:
        client.read_until(b"Answer ")
        client.half_close()
        _all_left(gateway, time.time(), 1)
        heard = client.read_to_end()
    assert b"[DONE]" not in heard
    assert b"event: end" not in heard
    assert [row["state"] for row in _rows_since(gateway, known, 1)] == ["client_gone"]


@pytest.mark.parametrize("path", [APP, OPENAI_DOOR])
def test_fault_3_03_a_drained_answer_is_sent_whole_to_a_half_closed_connection(
    gateway: Gateway, known: set[str], path: str
) -> None:
    gateway.behave("tick-60")
    with RawClient(gateway, path, _body(path, "a b c d"), headers={"X-On-Disconnect": "drain"}) as client:
        client.read_until(b"Answer ")
        client.half_close()
        heard = client.read_to_end()
    assert (b"event: end" if path == APP else b"[DONE]") in heard
    assert [row["state"] for row in _rows_since(gateway, known, 1)] == ["complete"]


@pytest.mark.parametrize("close", CLOSINGS, ids=["fin", "rst"])
@pytest.mark.parametrize("path", [APP, SHORT])
def test_fault_3_03_a_drained_answer_is_stored_whole_when_nobody_reads_it(
    gateway: Gateway, known: set[str], path: str, close: Callable[[RawClient], None]
) -> None:
    gateway.behave("tick-60")
    client = RawClient(gateway, path, _body(path, "a b c d"), headers={"X-On-Disconnect": "drain"})
    if path == APP:
        client.read_until(b"Answer ")
    else:
        soon(lambda: _calls(gateway))
    close(client)
    [row] = _rows_since(gateway, known, 1)
    assert row["state"] == "complete"
    stored = gateway.sql("SELECT content FROM messages WHERE prompt_id = :id", id=row["prompt_id"])
    assert {"content": "Answer to: a b c d"} in stored
    assert [call["left"] for call in _calls(gateway)] == [False]


# --- 3.4 slow readers ----------------------------------------------------------------------------------------------


def test_fault_3_04_what_nobody_reads_is_not_read_ahead(gateway: Gateway, known: set[str]) -> None:
    """The provider is held back, so that an answer of many MB stands in no memory of ours."""
    gateway.behave("chunks-2500-of-4096")
    clients = [RawClient(gateway, path, _body(path, "much"), receive_buffer=4096) for path in STREAMING_DOORS * 5]
    [worker] = gateway.workers()
    for client in clients:
        client.read_until(b"token")
    before = _resident_mb(worker)
    gateway.say("others are served meanwhile", model="demo")
    soon(lambda: _is_still(lambda: _written_by(worker)), 5.0)
    assert all(not call["done"] for call in _calls(gateway))
    assert _resident_mb(worker) - before < 20
    for sent in _send_queues(gateway.port):
        assert sent <= 256 * 1024, "more than 256 kB are read ahead for a client"
    since = _close_all(clients)
    _all_left(gateway, since, len(clients))
    assert {row["state"] for row in _rows_since(gateway, known, len(clients) + 1)} == {"client_gone", "complete"}


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _written_by(pid: int) -> int:
    return int(Path(f"/proc/{pid}/io").read_text().split("wchar: ")[1].split()[0])


def _is_still(look: Callable[[], int]) -> bool:
    """Whether a number stays as it is for a moment."""
    first = look()
    time.sleep(0.3)  # the condition is that nothing happens for so long
    return look() - first < 4096


def _send_queues(port: int) -> list[int]:
    """Bytes that wait in the kernel for the readers at this port, a connection each."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [int(row[4].split(":")[0], 16) for row in rows if int(row[1].split(":")[1], 16) == port and row[3] == "01"]


# --- 3.5 heads and framing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", STREAMING_DOORS)
@pytest.mark.parametrize("accept", ["application/json", "text/event-stream", "*/*"])
def test_fault_3_05_a_streams_head_keeps_all_between_from_buffering(gateway: Gateway, path: str, accept: str) -> None:
    headers = {"Accept": accept, "Accept-Encoding": "gzip, br, deflate"}
    with RawClient(gateway, path, _body(path, "hello"), headers=headers) as client:
        client.read_reply()
        assert client.status == 200
        got = client.headers
    assert got["content-type"].partition(";")[0] == "text/event-stream"
    assert {"no-cache", "no-transform"} <= set(got["cache-control"].split(", "))
    assert got["x-accel-buffering"] == "no"
    assert got["transfer-encoding"] == "chunked"
    assert not {"content-length", "content-encoding"} & set(got)


@pytest.mark.parametrize("path", STREAMING_DOORS)
def test_fault_3_05_http_1_0_is_not_chunked_and_ends_by_close(gateway: Gateway, path: str) -> None:
    with RawClient(gateway, path, _body(path, "hello"), version="1.0") as client:
        heard = client.read_to_end()
        assert "transfer-encoding" not in client.headers
        assert client.headers["connection"] == "close"
    body = heard.partition(b"\r\n\r\n")[2]
    assert body.startswith(b"event: start" if path == APP else b"data: {")
    assert body.endswith(b"\n\n")
    assert (b"event: end" if path == APP else b"data: [DONE]") in body


def test_fault_3_05_connection_close_is_kept_to(gateway: Gateway) -> None:
    with RawClient(gateway, APP, _body(APP, "hello"), headers={"Connection": "close"}) as client:
        heard = client.read_to_end()
        assert client.headers["connection"] == "close"
    assert heard.endswith(b"0\r\n\r\n")


def test_fault_3_05_an_event_is_out_as_soon_as_it_was_made(gateway: Gateway) -> None:
    gateway.behave("tick-150")
    _arrives_piece_by_piece(gateway, gateway.port)


def test_fault_3_05_behind_a_proxy_that_buffers_events_come_one_by_one(gateway: Gateway, tmp_path: Path) -> None:
    gateway.behave("tick-150")
    with _nginx(tmp_path, gateway.port) as port:
        _arrives_piece_by_piece(gateway, port)


def _arrives_piece_by_piece(gateway: Gateway, port: int) -> None:
    reply = gateway.http.post(
        f"http://127.0.0.1:{port}{APP}", json=_body(APP, "a b c"), headers={"Accept-Encoding": "gzip"}, stream=True
    )
    gaps, last = [], time.monotonic()
    for name, _ in events(reply):
        now = time.monotonic()
        if name == "delta":
            gaps.append(now - last)
        last = now
    assert len(gaps) == 5
    assert all(0.05 < gap < 0.4 for gap in gaps[1:]), gaps


class _nginx:  # noqa: N801 - used as a function
    """nginx as most have it, in front of the service."""

    def __init__(self, folder: Path, target: int) -> None:
        if shutil.which("nginx") is None:
            owed("nginx is not installed")
        self._port = free_port()
        self._folder = folder
        (folder / "nginx.conf").write_text(f"""
            daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
            events {{}}
            http {{
              access_log off; gzip on; gzip_types *; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
              fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
              server {{ listen 127.0.0.1:{self._port}; location / {{ proxy_pass http://127.0.0.1:{target}; }} }}
            }}""")

    def __enter__(self) -> int:
        command = ["nginx", "-c", str(self._folder / "nginx.conf"), "-e", str(self._folder / "error.log")]
        self._process = subprocess.Popen(command)
        soon(self._answers, 5.0, "nginx does not answer")
        return self._port

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(5)

    def _answers(self) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{self._port}/api/health", timeout=1).ok
        except requests.ConnectionError:
            return False


# --- 3.6, 3.7 before the first content, and silence ----------------------------------------------------------------


@pytest.mark.parametrize("path", STREAMING_DOORS)
@pytest.mark.parametrize(
    ("upstream_does", "status", "code"),
    [
        ("status-500", 502, "upstream_failed"),
        ("cut-after-0", 502, "upstream_failed"),
        ("status-429", 503, "no_capacity"),
        ("status-400", 400, "invalid_request"),
        ("too-long", 400, "context_length_exceeded"),
        ("filtered", 400, "content_filtered"),
    ],
)
def test_fault_3_06_a_failure_known_before_content_is_a_real_status(
    gateway: Gateway, invariants: Invariants, path: str, upstream_does: str, status: int, code: str
) -> None:
    gateway.all_providers(upstream_does)
    reply = gateway.post(path, _body(path, "hello"))
    assert_error(reply, status, code)
    row = gateway.settled(reply.headers["x-request-id"])
    assert row["state"] == ("refused" if status == 400 else "upstream_failed")


def test_fault_3_06_silence_before_the_first_content_is_a_504(gateway: Gateway, invariants: Invariants) -> None:
    gateway.all_providers("silent")
    body = _body(APP, "hello") | {"model": f"groq/{GROQ}", "fallbacks": [GROQ]}
    reply = gateway.post(APP, body)
    assert_error(reply, 504, "upstream_timeout")
    assert gateway.settled(reply.headers["x-request-id"])["state"] == "stalled"


@pytest.mark.parametrize("path", STREAMING_DOORS)
def test_fault_3_06_after_a_comment_line_a_failure_is_an_error_event(hasty: Gateway, path: str) -> None:
    hasty.behave("silent-head")
    body = _body(path, "hello") | {"fallbacks": [GROQ]}
    with RawClient(hasty, path, body) as client:
        heard = client.read_reply()
        assert client.status == 200
        prompt_id = client.prompt_id
    lines = [line for line in _dechunked(heard).split(b"\n") if line]
    assert b": still here" in lines
    assert b"upstream_timeout" in lines[-1]
    assert b"[DONE]" not in heard
    assert hasty.settled(prompt_id)["state"] == "stalled"


@pytest.mark.parametrize("path", STREAMING_DOORS)
def test_fault_3_07_silence_is_filled_with_comments_between_events_only(hasty: Gateway, path: str) -> None:
    """And comments hold no stall off: the limit counts from the last content."""
    hasty.behave("silent-after-2")
    began = time.monotonic()
    with RawClient(hasty, path, _body(path, "a b c") | {"fallbacks": [GROQ]}) as client:
        heard = _dechunked(client.read_reply())
    assert time.monotonic() - began < 4
    blocks = heard.split(b"\n\n")
    assert blocks[-1] == b""
    comments = [block for block in blocks if block.startswith(b":")]
    assert 3 <= len(comments) <= 8
    assert all(block.startswith((b":", b"data: ", b"event: ")) for block in blocks[:-1])
    assert all(b": still here" not in block for block in blocks if not block.startswith(b":"))
    assert b"upstream_timeout" in blocks[-2]


def test_fault_3_07_the_sdks_read_over_comments(hasty: Gateway) -> None:
    """Each piece comes after a longer silence than a heartbeat."""
    hasty.behave("tick-350")
    with openai.OpenAI(base_url=f"{hasty.url}/v1", api_key=hasty.key) as client:
        stream = client.chat.completions.create(model=GROQ, messages=[{"role": "user", "content": "a"}], stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Answer to: a"


def test_fault_3_04_a_write_that_is_blocked_too_long_is_a_client_that_left(hasty: Gateway) -> None:
    hasty.behave("chunks-2500-of-4096")
    with RawClient(hasty, APP, _body(APP, "much"), receive_buffer=4096) as client:
        client.read_until(b"token")
        row = hasty.settled(client.prompt_id, seconds=6)
    assert row["state"] == "client_gone"
    hasty.upstream.wait_for(lambda log: [call for call in log if call["left"]])


def _dechunked(heard: bytes) -> bytes:
    """The body of a reply with chunked framing that was read to its end."""
    rest, body = heard.partition(b"\r\n\r\n")[2], b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body


# --- 3.8, 3.10 broken streams --------------------------------------------------------------------------------------


@pytest.mark.parametrize("upstream_does", ["cut-after-2", "reset-after-2", "end-after-2", "error-event-2"])
def test_fault_3_08_a_stream_that_breaks_never_looks_whole(
    gateway: Gateway, invariants: Invariants, upstream_does: str
) -> None:
    gateway.all_providers(upstream_does)
    with RawClient(gateway, OPENAI_DOOR, _body(OPENAI_DOOR, "a b c")) as client:
        heard = _dechunked(client.read_reply())
        first_id = client.prompt_id
    assert b"[DONE]" not in heard
    last = json.loads(heard.split(b"\n\n")[-2].removeprefix(b"data: "))
    assert last["error"]["code"] == "upstream_failed"
    assert last["error"]["type"] == "server_error"
    assert b'"finish_reason":"' not in heard
    reply = gateway.post(APP, _body(APP, "a b c"), stream=True)
    told = list(events(reply))
    assert [name for name, _ in told if name in ("end", "error")] == ["error"]
    assert told[-1][1]["code"] == "upstream_failed"
    for prompt_id in (first_id, reply.headers["x-request-id"]):
        receipt = gateway.receipt(prompt_id)
        assert receipt["state"] == "upstream_failed"
        assert receipt["attempts"][-1]["error"] is not None
        assert receipt["attempts"][-1]["next"] == "stop"


def test_fault_3_10_a_killed_worker_leaves_a_cut_and_no_end(production: Gateway) -> None:
    production.behave("chunks-200+tick-50")
    workers = production.workers()
    clients = [RawClient(production, path, _body(path, "long")) for path in STREAMING_DOORS * 4]
    for client in clients:
        client.read_until(b"token")
    owner = workers[0]
    os.kill(owner, signal.SIGKILL)
    production.upstream.wait_for(lambda log: [call for call in log if call["left"]])
    cut = []
    with ThreadPoolExecutor(len(clients)) as pool:
        for client, heard in zip(clients, pool.map(lambda c: _until_cut(c), clients), strict=True):
            if not heard.endswith(b"0\r\n\r\n"):
                cut.append(client)
                assert b"[DONE]" not in heard
                assert b"event: end" not in heard
                assert b"event: error" not in heard
            client.close()
    assert cut, "no stream ran in the worker that was killed"
    soon(lambda: len(production.workers()) == 2 and owner not in production.workers(), 5.0)
    production.behave("healthy")
    assert production.say("still there?")["text"] == "Answer to: still there?"


def _until_cut(client: RawClient) -> bytes:
    """What came until the server was gone, or until it is plain that this one lives on."""
    end = time.monotonic() + 2
    client.socket.settimeout(1)
    while time.monotonic() < end:
        try:
            got = client.socket.recv(65_536)
        except OSError:
            break
        if not got:
            return client.heard
        client.heard += got
    return client.heard + b"0\r\n\r\n"


# --- 3.11, 3.12 hostile text and names -----------------------------------------------------------------------------

HOSTILE = [
    "line\nbreak", "car\rriage", "both\r\n", "\n\ndata: {}\n\n", "event: end\ndata: x", "data: [DONE]\n\n", "[DONE]",
    "\u2028line\u2029par", "\x85next", "\x0b\x0c\x1c\x1d\x1e", "</script><!--", "\ufeffbom", "\u202ertl", "👩‍👩‍👧‍👦",
    "e\u0301", '"quotes" \\back\\', "\ufffe\uffff", "\x7f\x9b",
]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_fault_3_11_what_the_model_says_is_rebuilt_exactly(any_gateway: Gateway, stream: bool) -> None:
    gateway = any_gateway
    text = "x".join(HOSTILE)
    gateway.behave("echo")
    if stream:
        heard = list(chunks(gateway.openai(text, model=GROQ, stream=True)))
        assert heard[-1] == "[DONE]"
        assert "".join(c["choices"][0]["delta"].get("content", "") for c in heard[:-1]) == text
        told = list(events(gateway.post(APP, _body(APP, text), stream=True)))
        assert text_of(told) == told[-1][1]["text"] == text
        conversation = told[-1][1]["conversation_id"]
    else:
        said = gateway.say(text, model=GROQ)
        assert said["text"] == text
        conversation = said["conversation_id"]
        reply = gateway.post(SHORT, {"prompt": text})
        assert reply.json()["response"] == text
    assert [message["content"] for message in gateway.history(conversation)] == [text, text]


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_fault_3_11_a_nul_is_sent_and_what_is_kept_can_be_kept(any_gateway: Gateway, stream: bool) -> None:
    """No store keeps NUL in a text, so the history has the sign for what cannot be shown in its place."""
    gateway = any_gateway
    gateway.behave("nul")
    body = _body(APP, "hello", stream=stream)
    if stream:
        told = list(events(gateway.post(APP, body, stream=True)))
        assert [name for name, _ in told][-1] == "end"
        data = told[-1][1]
        assert text_of(told) == data["text"]
    else:
        data = gateway.post(APP, body).json()["data"]
    assert data["text"] == "a\0b"
    assert gateway.history(data["conversation_id"])[-1]["content"] == "a\ufffdb"


@pytest.fixture(scope="module")
def oddly_named(tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders) -> Iterator[Gateway]:
    env = {"NGROK_BASE_URL": f"{upstream_process.url}/v1", "NGROK_MODEL": "модель-" + "я" * 80}
    with Gateway(tmp_path_factory.mktemp("oddly"), upstream_process, env) as gateway:
        yield gateway


@pytest.mark.parametrize("path", STREAMING_DOORS)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_fault_3_12_a_name_that_is_no_ascii_is_escaped_in_headers(
    oddly_named: Gateway, upstream: EmulatedProviders, path: str, stream: bool
) -> None:
    name = "модель-" + "я" * 80
    reply = oddly_named.post(path, _body(path, "hello", stream=stream) | {"model": "ngrok"})
    assert reply.status_code == 200, reply.text
    assert reply.headers["x-model"].isascii()
    assert reply.headers["x-model"].startswith("\\u043c\\u043e")
    assert len(reply.headers["x-model"]) <= 256
    assert name in reply.content.decode()
