"""Idempotency-Key at every door: one request is answered and charged, its equals get its bytes."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.journeys.gateway import GROQ, Gateway
from tests.journeys.invariants import assert_error

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
    reply = ask(gateway, OPENAI, key)  # type: ignore[arg-type]
    assert_error(reply, 400, "invalid_request", "Idempotency-Key")


@pytest.mark.parametrize("key", ["x", "x" * 255, "two words", "~!@#$%^&*()"])
def test_every_printable_key_of_up_to_255_serves(gateway: Gateway, key: str) -> None:
    first, again = (ask(gateway, OPENAI, key + "", headers=None or {}) for _ in range(2))
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
