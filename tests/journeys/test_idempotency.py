"""Idempotency-Key at every door: one request is answered and charged, its equals get its bytes."""

from __future__ import annotations

import json
import os
import signal
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.journeys.gateway import GROQ, Gateway, soon
from tests.journeys.invariants import assert_error
from tests.journeys.raw_client import RawClient
from tests.journeys.server import LiveServer

APP, OPENAI, SDK, SHORT = "/llm/chat", "/v1/chat/completions", "/openai/v1/chat/completions", "/chat"
JSON_DOORS = [APP, OPENAI, SDK, SHORT]


def body(path: str, message: str = "Hello", **fields: Any) -> dict[str, Any]:
    said = {
        APP: {"message": message, "model": GROQ},
        SHORT: {"prompt": message},
    }.get(path, {"messages": [{"role": "user", "content": message}], "model": GROQ})
    return {**said, **fields}


def new_key() -> str:
    return uuid.uuid4().hex


def ask(gateway: Gateway, path: str, key: str, said: dict[str, Any] | None = None, **more: Any) -> requests.Response:
    headers = {"Idempotency-Key": key, **more.pop("headers", {})}
    query = {"model": GROQ} if path == SHORT else {}
    return gateway.post(path, said or body(path), headers=headers, params={**query, **more.pop("params", {})}, **more)


def calls(gateway: Gateway) -> int:
    return sum(entry["method"] == "POST" for entry in gateway.upstream.log())


def at_once(*asks: Callable[[], requests.Response], apart: float = 0.01) -> list[requests.Response]:
    """The replies to requests that begin one after the other, `apart` seconds in between, each on its own thread."""
    replies: list[requests.Response | None] = [None] * len(asks)

    def do(n: int) -> None:
        replies[n] = asks[n]()

    threads = [threading.Timer(n * apart, do, [n]) for n in range(len(asks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return [reply for reply in replies if reply is not None]


@pytest.mark.parametrize("path", JSON_DOORS)
def test_fault_5_15_after_the_answer_the_same_request_gets_its_bytes(any_gateway: Gateway, path: str) -> None:
    key = new_key()
    first = ask(any_gateway, path, key)
    assert first.status_code == 200, first.text
    assert "idempotent-replayed" not in first.headers
    again = ask(any_gateway, path, key)
    assert (again.status_code, again.content) == (200, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    for name in ("x-request-id", "x-model", "x-provider", "x-attempts", "x-cost-usd", "content-type"):
        assert again.headers[name] == first.headers[name]
    assert calls(any_gateway) == 1
    assert len(any_gateway.request_rows(first.headers["x-request-id"])) == 1
    assert ask(any_gateway, path, new_key()).headers["x-request-id"] != first.headers["x-request-id"]


def test_a_request_without_a_key_is_answered_each_time(gateway: Gateway) -> None:
    ids = {gateway.post(OPENAI, body(OPENAI)).headers["x-request-id"] for _ in range(2)}
    assert len(ids) == 2


@pytest.mark.parametrize("path", JSON_DOORS)
def test_fault_5_15_another_body_or_query_is_a_conflict(gateway: Gateway, path: str) -> None:
    key = new_key()
    assert ask(gateway, path, key).status_code == 200
    error = assert_error(ask(gateway, path, key, body(path, "Bye")), 409, "idempotency_conflict")
    assert error["code"] == "idempotency_conflict"
    assert_error(ask(gateway, path, key, params={"x": "1"}), 409, "idempotency_conflict")
    assert calls(gateway) == 1


def test_fault_5_15_another_route_is_a_conflict(gateway: Gateway) -> None:
    key = new_key()
    assert ask(gateway, OPENAI, key).status_code == 200
    assert_error(ask(gateway, SDK, key), 409, "idempotency_conflict")


def test_fault_5_15_anothers_key_of_that_name_is_their_own(any_gateway: Gateway) -> None:
    key = new_key()
    first = ask(any_gateway, OPENAI, key)
    other = ask(any_gateway, OPENAI, key, headers=any_gateway.user())
    assert other.status_code == 200
    assert other.headers["x-request-id"] != first.headers["x-request-id"]
    assert "idempotent-replayed" not in other.headers


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\u00e9", "a\tb"])
def test_fault_2_20_a_key_that_is_none_is_named(gateway: Gateway, key: str) -> None:
    reply = ask(gateway, OPENAI, key)
    assert_error(reply, 400, "invalid_request", "Idempotency-Key")


@pytest.mark.parametrize("key", ["x", "x" * 255, "two words", "~!@#$%^&*()"])
def test_every_printable_key_of_up_to_255_serves(gateway: Gateway, key: str) -> None:
    first, again = (ask(gateway, OPENAI, key) for _ in range(2))
    assert again.content == first.content


def test_fault_5_15_two_at_once_make_one_call_one_charge_and_equal_bytes(any_gateway: Gateway) -> None:
    any_gateway.behave("tick-50")
    key = new_key()
    before = any_gateway.stored()["requests"]
    with any_gateway.fresh_connections():
        first, second = at_once(*[lambda: _alone(any_gateway, OPENAI, key)] * 2)
    assert (first.status_code, second.status_code) == (200, 200), (first.text, second.text)
    assert first.content == second.content
    assert first.headers["x-request-id"] == second.headers["x-request-id"]
    assert calls(any_gateway) == 1
    assert any_gateway.stored()["requests"] == before + 1


def _alone(gateway: Gateway, path: str, key: str, **fields: Any) -> requests.Response:
    """Over a connection of its own, read to its end."""
    headers = {"Idempotency-Key": key, "Authorization": f"Bearer {gateway.key}"}
    return requests.post(gateway.url + path, json=body(path, **fields), headers=headers, timeout=30)


STREAMS = [APP, OPENAI, SDK]


def streamed(gateway: Gateway, path: str, key: str, **fields: Any) -> requests.Response:
    return _alone(gateway, path, key, stream=True, **fields)


def without_comments(body: bytes) -> bytes:
    return body.replace(b": still here\n\n", b"")


@pytest.mark.parametrize("path", STREAMS)
def test_fault_5_15_a_streams_replay_is_its_bytes(any_gateway: Gateway, path: str) -> None:
    any_gateway.behave("reasoning")
    key = new_key()
    first, again = (streamed(any_gateway, path, key) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert b"[DONE]" in first.content or b"event: end" in first.content
    assert again.headers["idempotent-replayed"] == "true"
    for name in ("x-request-id", "x-model", "content-type", "cache-control", "x-accel-buffering"):
        assert again.headers[name] == first.headers[name]
    assert calls(any_gateway) == 1


@pytest.mark.parametrize("path", STREAMS)
def test_fault_5_15_a_stream_that_is_joined_is_given_from_its_beginning(any_gateway: Gateway, path: str) -> None:
    any_gateway.behave("tick-50")
    key = new_key()
    first, second = at_once(*[lambda: streamed(any_gateway, path, key)] * 2, apart=0.1)
    assert first.content == second.content
    assert (first.status_code, second.status_code) == (200, 200)
    assert {reply.headers.get("idempotent-replayed") for reply in (first, second)} == {None, "true"}
    assert calls(any_gateway) == 1


@pytest.mark.parametrize("path", [APP, OPENAI])
def test_comment_lines_are_no_part_of_the_bytes_and_keep_a_joiner_open(hasty: Gateway, path: str) -> None:
    hasty.behave("tick-350+chunks-5")
    key = new_key()
    first, second = at_once(*[lambda: streamed(hasty, path, key)] * 2, apart=0.1)
    again = streamed(hasty, path, key)
    assert b": still here" in first.content
    assert second.content.startswith(b": still here\n\n")
    assert without_comments(first.content) == without_comments(second.content) == again.content
    assert second.headers["x-request-id"] == first.headers["x-request-id"]
    assert calls(hasty) == 1


@pytest.mark.parametrize("path", [APP, OPENAI])
def test_a_stream_and_a_whole_reply_are_two_requests(gateway: Gateway, path: str) -> None:
    key = new_key()
    assert streamed(gateway, path, key).status_code == 200
    assert_error(ask(gateway, path, key), 409, "idempotency_conflict")


@pytest.mark.parametrize(("words", "status"), [("status-400", 400), ("status-500", 502)])
def test_fault_5_15_what_failed_is_not_kept_and_runs_anew(gateway: Gateway, words: str, status: int) -> None:
    key = new_key()
    gateway.all_providers(words)
    first = ask(gateway, OPENAI, key)
    assert first.status_code == status, first.text
    gateway.recover()
    gateway.upstream.forget()
    second = ask(gateway, OPENAI, key)
    assert second.status_code == 200, second.text
    assert second.headers["x-request-id"] != first.headers["x-request-id"]
    assert "idempotent-replayed" not in second.headers


def test_fault_5_15_a_request_that_is_wrong_is_not_kept(gateway: Gateway) -> None:
    key = new_key()
    wrong = {"messages": [], "model": GROQ}
    assert_error(ask(gateway, OPENAI, key, wrong), 400, "invalid_request")
    assert ask(gateway, OPENAI, key).status_code == 200


def test_fault_5_15_a_refusal_for_a_limit_is_not_kept(gateway: Gateway) -> None:
    limited = gateway.post("/api/keys", {"name": "one a minute", "rpm": 1}).json()["data"]["key"]
    headers = {"Authorization": f"Bearer {limited}"}
    used, key = new_key(), new_key()
    first = ask(gateway, OPENAI, used, headers=headers)
    refused = [ask(gateway, OPENAI, key, headers=headers) for _ in range(2)]
    again = ask(gateway, OPENAI, used, headers=headers)
    assert [reply.status_code for reply in refused] == [429, 429]
    assert len({reply.headers["x-request-id"] for reply in refused}) == 2
    assert (again.status_code, again.content) == (200, first.content), "a replay counts towards no limit"


@pytest.mark.parametrize("path", [APP, OPENAI])
def test_fault_5_15_a_stream_that_was_cut_runs_anew(gateway: Gateway, path: str) -> None:
    key = new_key()
    gateway.all_providers("chunks-20+cut-after-2")
    first = streamed(gateway, path, key)
    assert b'"upstream_failed"' in first.content
    gateway.recover()
    gateway.upstream.forget()
    second = streamed(gateway, path, key)
    assert "idempotent-replayed" not in second.headers
    assert b'"upstream_failed"' not in second.content


@pytest.mark.parametrize("path", [APP, OPENAI])
@pytest.mark.parametrize("stream", [False, True])
def test_fault_5_15_a_joiner_of_one_that_fails_runs_anew(any_gateway: Gateway, path: str, stream: bool) -> None:
    any_gateway.behave("once.slow-700+once.status-400")
    key = new_key()
    replies = at_once(*[lambda: _alone(any_gateway, path, key, stream=stream)] * 2, apart=0.1)
    assert sorted(reply.status_code for reply in replies) == [200, 400]
    assert calls(any_gateway) == 2


@pytest.mark.parametrize("path", [APP, OPENAI])
def test_fault_5_15_a_joined_stream_that_comes_to_nothing_is_framed_as_any_other(hasty: Gateway, path: str) -> None:
    hasty.all_providers("slow-900+status-500")
    key = new_key()
    first, second = at_once(*[lambda: streamed(hasty, path, key)] * 2, apart=0.1)
    assert second.headers["x-request-id"] == first.headers["x-request-id"]
    frames = without_comments(second.content).decode().removesuffix("\n\n").split("\n\n")
    error = json.loads(frames[-1].partition("data: ")[2])
    assert error.get("error", error)["code"] == "unavailable"
    if path == APP:
        assert [frame.partition("\n")[0] for frame in frames] == ["event: start", "event: error"]
        start = json.loads(frames[0].partition("data: ")[2])
        assert start == {"conversation_id": None, "prompt_id": first.headers["x-request-id"], "model": GROQ}
    else:
        assert [frame[:6] for frame in frames] == ["data: "]


@pytest.mark.parametrize("path", [APP, OPENAI])
@pytest.mark.parametrize("stream", [False, True])
def test_fault_5_15_a_joiner_that_leaves_harms_nobody(any_gateway: Gateway, path: str, stream: bool) -> None:
    any_gateway.behave("tick-100+chunks-12" if stream else "slow-1500")
    key = new_key()
    said = body(path, stream=stream)
    with RawClient(any_gateway, path, said, headers={"Idempotency-Key": key}):
        any_gateway.upstream.wait_for(lambda log: any(entry["method"] == "POST" for entry in log))
        second = RawClient(any_gateway, path, said, headers={"Idempotency-Key": key})
        second.socket.settimeout(0.2)
        with pytest.raises(TimeoutError):
            second.socket.recv(1)
        second.socket.close()
        third = _alone(any_gateway, path, key, stream=stream)
    assert third.status_code == 200
    assert third.headers["idempotent-replayed"] == "true"
    assert calls(any_gateway) == 1


@pytest.mark.parametrize("path", [APP, OPENAI])
@pytest.mark.parametrize("stream", [False, True])
def test_fault_5_15_the_first_goes_on_without_its_reader_while_another_waits(
    any_gateway: Gateway, path: str, stream: bool
) -> None:
    any_gateway.behave("tick-150+chunks-12" if stream else "slow-1800")
    key = new_key()
    said = body(path, stream=stream)
    first = RawClient(any_gateway, path, said, headers={"Idempotency-Key": key})
    any_gateway.upstream.wait_for(lambda log: any(entry["method"] == "POST" for entry in log))
    threading.Timer(0.5, first.socket.close).start()
    joined = _alone(any_gateway, path, key, stream=stream)
    assert joined.status_code == 200, joined.text
    assert joined.headers["idempotent-replayed"] == "true"
    assert calls(any_gateway) == 1
    assert any_gateway.settled(joined.headers["x-request-id"])["state"] == "complete"


@pytest.mark.parametrize("stream", [False, True])
def test_the_first_stops_when_its_reader_left_and_nobody_waits(any_gateway: Gateway, stream: bool) -> None:
    any_gateway.behave("tick-200+chunks-30" if stream else "once.slow-1900")
    key = new_key()
    first = RawClient(any_gateway, OPENAI, body(OPENAI, stream=stream), headers={"Idempotency-Key": key})
    any_gateway.upstream.wait_for(lambda log: any(entry["method"] == "POST" for entry in log))
    first.socket.close()
    any_gateway.upstream.wait_for(lambda log: any(entry["left"] for entry in log))
    any_gateway.upstream.forget()
    again = _alone(any_gateway, OPENAI, key, stream=stream)
    assert again.status_code == 200
    assert "idempotent-replayed" not in again.headers


def test_fault_5_15_a_dead_workers_claim_is_taken_over_after_its_lease(hasty: Gateway) -> None:
    hasty.behave("once.silent")
    key = new_key()
    first = RawClient(hasty, OPENAI, body(OPENAI), headers={"Idempotency-Key": key})
    hasty.upstream.wait_for(lambda log: any(entry["method"] == "POST" for entry in log))
    old = hasty.workers()
    os.kill(old[0], signal.SIGKILL)
    soon(lambda: hasty.workers() and hasty.workers() != old, 10, "no new worker")
    first.socket.close()
    second = soon(lambda: _patiently(hasty, key), 10, "the new worker does not answer")
    assert second.status_code == 200, second.text
    assert "idempotent-replayed" not in second.headers
    assert _alone(hasty, OPENAI, key).content == second.content


def _patiently(gateway: Gateway, key: str) -> requests.Response | None:
    try:
        return _alone(gateway, OPENAI, key)
    except requests.ConnectionError:
        return None


def test_a_deleted_conversation_takes_its_answers_along(any_gateway: Gateway) -> None:
    key, other = new_key(), new_key()
    first, kept = ask(any_gateway, APP, key), ask(any_gateway, APP, other)
    conversation = first.json()["data"]["conversation_id"]
    gone = any_gateway.http.delete(f"{any_gateway.url}/api/conversations/{conversation}", timeout=10)
    assert gone.status_code == 204
    assert any_gateway.sql("SELECT * FROM idempotency WHERE conversation = :c", c=conversation) == []
    again = ask(any_gateway, APP, key)
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert ask(any_gateway, APP, other).content == kept.content


def test_fault_5_15_after_a_day_it_runs_anew(gateway: Gateway) -> None:
    key = new_key()
    first = ask(gateway, OPENAI, key)
    rows = gateway.sql("SELECT * FROM idempotency WHERE owner = :id", id=first.headers["x-request-id"])
    assert [row["state"] for row in rows] == ["done"]
    kept = datetime.fromisoformat(rows[0]["expires_at"]).replace(tzinfo=UTC) - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < kept <= timedelta(hours=24)


def test_guests_have_keys_by_their_conversation_and_none_without_one(tmp_path: Path) -> None:
    with LiveServer(tmp_path, {"ANONYMOUS_ACCESS": "true"}) as server:
        headers = {"Idempotency-Key": new_key()}

        def say(**fields: str) -> requests.Response:
            said = {"message": "Hello", "model": "demo", **fields}
            return requests.post(f"{server.url}/llm/chat", json=said, headers=headers, timeout=10)

        first, second = say(), say()
        assert first.headers["x-request-id"] != second.headers["x-request-id"]
        mine, theirs = (reply.json()["data"]["conversation_id"] for reply in (first, second))
        asked = say(conversation_id=mine)
        assert say(conversation_id=mine).content == asked.content
        other = say(conversation_id=theirs)
        assert (other.status_code, "idempotent-replayed" in other.headers) == (200, False)
