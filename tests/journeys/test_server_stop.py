"""Stopping: streams in flight get their time, the rest an ending, the port is free."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.journeys.gateway import Gateway, chunks, events, soon
from tests.providers.fixtures import EmulatedProviders

SHORT, LONG = "llama-3.1-8b-instant", "llama-3.3-70b-versatile"
LIMIT = 2


class Stream:
    """A stream read in a thread. began: its first content is here."""

    def __init__(self, gateway: Gateway, model: str) -> None:
        self.seen: list[tuple[str, object]] = []
        self.began = threading.Event()
        self.ended_at = 0.0
        self._thread = threading.Thread(target=self._read, args=(gateway, model), daemon=True)
        self._thread.start()

    def _read(self, gateway: Gateway, model: str) -> None:
        body = {"message": "hello", "model": model, "stream": True}
        try:
            with gateway.post("/llm/chat", body, stream=True) as reply:
                for event in events(reply):
                    self.seen.append(event)
                    if event[0] == "delta":
                        self.began.set()
        except requests.RequestException as broken:
            self.seen.append(("broken", broken))
        self.ended_at = time.monotonic()

    def end(self, seconds: float = 15) -> tuple[str, object]:
        self._thread.join(seconds)
        assert not self._thread.is_alive()
        return self.seen[-1]


@pytest.fixture
def running(tmp_path: Path, upstream: EmulatedProviders) -> Iterator[Gateway]:
    with Gateway(tmp_path, upstream, {"SHUTDOWN_TIMEOUT": str(LIMIT), "STREAM_TIMEOUT": "60"}) as gateway:
        upstream.behave("chunks-20+tick-40", model=SHORT)
        upstream.behave("chunks-2000+tick-40", model=LONG)
        yield gateway


def begun(gateway: Gateway) -> tuple[Stream, Stream]:
    streams = Stream(gateway, SHORT), Stream(gateway, LONG)
    for stream in streams:
        assert stream.began.wait(5), stream.seen
    return streams


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_fault_3_09_short_streams_end_whole_and_long_ones_are_told(running: Gateway, number: int) -> None:
    short, long = begun(running)
    told = time.monotonic()
    running.server.signal(number)
    assert short.end()[0] == "end"
    kind, error = long.end()
    assert kind == "error"
    assert isinstance(error, dict)
    assert error["code"] == "unavailable", error
    assert LIMIT - 0.5 < long.ended_at - told < LIMIT + 3
    assert running.server.wait(LIMIT + 6) == 0
    states = running.sql("SELECT state FROM requests ORDER BY prompt_id")
    assert sorted(row["state"] for row in states) == ["complete", "crashed"]


def test_fault_3_09_the_openai_doors_stream_ends_in_an_error_and_no_done(running: Gateway) -> None:
    body = {"model": LONG, "messages": [{"role": "user", "content": "hello"}], "stream": True}
    with running.post("/v1/chat/completions", body, stream=True) as reply:
        read = chunks(reply)
        next(read)
        running.server.signal(signal.SIGTERM)
        last = list(read)[-1]
    assert last["error"]["code"] == "unavailable"


def test_no_connection_is_taken_while_streams_end(running: Gateway) -> None:
    short, _long = begun(running)
    running.server.signal(signal.SIGTERM)
    soon(lambda: not _listens(running.port))
    assert short.end()[0] == "end"


def test_fault_11_01_a_second_term_ends_it_at_once_and_settled(running: Gateway) -> None:
    short, long = begun(running)
    running.server.signal(signal.SIGTERM)
    soon(lambda: not _listens(running.port))
    began = time.monotonic()
    running.server.signal(signal.SIGTERM)
    short.end(), long.end()
    assert running.server.wait(5) == 0
    assert time.monotonic() - began < 4
    assert {row["state"] for row in running.sql("SELECT state FROM requests")} <= {"crashed", "complete"}
    assert len(running.sql("SELECT state FROM requests")) == 2


def test_fault_11_01_a_hangup_puts_new_workers_in_place_without_a_gap(running: Gateway) -> None:
    short, _long = begun(running)
    (old,) = running.workers()
    running.server.signal(signal.SIGHUP)
    answers = []

    def replaced() -> bool:
        answers.append(requests.get(f"{running.url}/api/health", timeout=5).status_code)
        return old not in running.workers()

    soon(replaced, LIMIT + 8)
    assert set(answers) == {200}
    assert short.end()[0] == "end"
    assert running.say("still here")["text"]


def test_fault_11_01_without_a_master_workers_leave_and_free_the_port(running: Gateway) -> None:
    short, _long = begun(running)
    workers = running.workers()
    running.server.signal(signal.SIGKILL)
    soon(lambda: not _listens(running.port), 4)
    assert short.end()[0] == "end"
    soon(lambda: not any(map(_lives, workers)), LIMIT + 8)


def test_an_idle_server_ends_at_once(running: Gateway) -> None:
    running.http.close()
    began = time.monotonic()
    running.server.signal(signal.SIGTERM)
    assert running.server.wait(5) == 0
    assert time.monotonic() - began < 4


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
