"""Budgets as callers meet them: money for some, at every door, over several workers."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.journeys.gateway import GROQ, Gateway, chunks, events
from tests.journeys.people import Person
from tests.journeys.real_stores import own_postgres, own_redis
from tests.providers.fixtures import EmulatedProviders

#: GROQ's prices in nano-USD a token, and what an extra LEASE_TOKENS of output costs.
INPUT, OUTPUT = 50, 80
SLICE = 64 * OUTPUT


def key_of(gateway: Gateway, nano: int, period: str = "total") -> tuple[dict[str, str], str]:
    """The headers and the id of a new user's new key that may spend so much."""
    person = Person(gateway.url)
    budget = {"amount": nano / 10**9, "period": period}
    made = person.call("POST", "/api/keys", json={"name": "k", "budget": budget, "rpm": 100_000})
    assert made.status_code == 201, made.text
    data = made.json()["data"]
    return {"Authorization": f"Bearer {data['key']}"}, data["id"]


def ask(gateway: Gateway, headers: dict[str, str], **fields: Any) -> requests.Response:
    body = {"model": GROQ, "messages": [{"role": "user", "content": "hi"}], **fields}
    url = f"{gateway.url}/v1/chat/completions"
    return requests.post(url, json=body, headers=headers, timeout=60, stream=bool(fields.get("stream")))


def spent(gateway: Gateway, key_id: str) -> int:
    rows = gateway.sql("SELECT sum(charge + lost) AS n FROM requests WHERE key_id = :id", id=key_id)
    return int(rows[0]["n"] or 0)


def test_fault_5_14_a_stream_ends_where_the_money_does_and_does_not_look_whole(gateway: Gateway) -> None:
    gateway.behave("chunks-2000")
    headers, key_id = key_of(gateway, 60_000)
    reply = ask(gateway, headers, stream=True)
    assert reply.status_code == 200
    seen = list(chunks(reply))
    assert seen[-1] != "[DONE]"
    assert seen[-2]["choices"][0]["finish_reason"] == "length"
    error = seen[-1]["error"]
    assert error["code"] == "budget_exceeded"
    assert error["type"] == "insufficient_quota"
    assert error["details"] == {"limit": "key", "reason": "spent", "period_end": None}
    assert seen[-1]["usage"]["completion_tokens"] > 300
    assert 0.95 * 60_000 <= spent(gateway, key_id) <= 60_000 + SLICE
    row = gateway.settled(seen[0]["id"])
    assert row["state"] == "budget_cut"
    refused = ask(gateway, headers)
    assert refused.status_code == 402
    assert refused.json()["error"]["details"] == {"limit": "key", "reason": "spent", "period_end": None}


def test_fault_5_14_the_app_door_tells_a_cut_stream_in_its_error_event(gateway: Gateway) -> None:
    gateway.behave("chunks-2000")
    headers, _ = key_of(gateway, 60_000, "month")
    body = {"message": "hi", "model": GROQ, "stream": True}
    reply = requests.post(f"{gateway.url}/llm/chat", json=body, headers=headers, timeout=30, stream=True)
    name, error = list(events(reply))[-1]
    assert (name, error["code"]) == ("error", "budget_exceeded")
    assert error["details"]["finish_reason"] == "length"
    assert error["details"]["usage"]["completion_tokens"] > 300
    assert error["details"]["period_end"].endswith("-01T00:00:00Z")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/llm/chat", "/chat"])
def test_fault_5_14_a_reply_in_one_piece_is_cut_as_well(gateway: Gateway, path: str) -> None:
    gateway.behave("chunks-2000")
    headers, key_id = key_of(gateway, 60_000)
    body: dict[str, Any] = {
        "/v1/chat/completions": {"model": GROQ, "messages": [{"role": "user", "content": "hi"}]},
        "/llm/chat": {"model": GROQ, "message": "hi"},
        "/chat": {"prompt": "hi"},
    }[path]
    query = {"model": GROQ} if path == "/chat" else {}
    reply = requests.post(gateway.url + path, params=query, json=body, headers=headers, timeout=30)
    assert reply.status_code == 402
    details = reply.json()["error"]["details"]
    assert details["reason"] == "spent"
    assert details["text"].startswith("token token ")
    assert details["usage"]["completion_tokens"] > 300
    assert spent(gateway, key_id) <= 60_000 + SLICE


def test_fault_5_01_a_budget_of_nothing(gateway: Gateway) -> None:
    headers, _ = key_of(gateway, 0)
    assert ask(gateway, headers).status_code == 402
    assert ask(gateway, headers, model="demo").status_code == 200


def test_fault_5_11_failed_tries_count_under_the_cap_and_not_on_the_answer(gateway: Gateway) -> None:
    gateway.behave("once.cut-after-40+chunks-60")
    headers, key_id = key_of(gateway, 10**7)
    reply = ask(gateway, headers, stream=True)
    seen = list(chunks(reply))
    assert seen[-1] == "[DONE]"
    row = gateway.settled(seen[0]["id"])
    failed = gateway.sql("SELECT * FROM attempts WHERE prompt_id = :id AND error IS NOT NULL", id=seen[0]["id"])
    assert failed
    assert row["lost"] > 0
    assert (
        row["charge"]
        == row["prompt_tokens"] * row["price_input"] // 10**6 + row["completion_tokens"] * row["price_output"] // 10**6
    )
    left = requests.get(f"{gateway.url}/api/requests/{seen[0]['id']}", headers=headers, timeout=10)
    assert left.status_code == 200
    assert spent(gateway, key_id) == row["charge"] + row["lost"]


def test_fault_5_05_money_for_twenty_and_two_hundred_streams_at_once(four_workers: Gateway) -> None:
    """With max_tokens an answer is leased whole, the last ones what is left: hardly anybody is cut."""
    gateway = four_workers
    gateway.behave("chunks-100")
    one = 5 * INPUT + 100 * OUTPUT
    cap = 20 * one
    headers, key_id = key_of(gateway, cap)

    def talk(_: int) -> str:
        reply = ask(gateway, headers, stream=True, max_tokens=100)
        if reply.status_code != 200:
            return str(reply.status_code)
        return "served" if list(chunks(reply))[-1] == "[DONE]" else "cut"

    with ThreadPoolExecutor(200) as pool:
        outcomes = list(pool.map(talk, range(200)))
    assert set(outcomes) <= {"served", "cut", "402"}
    total = spent(gateway, key_id)
    assert total <= cap + SLICE
    # What was leased and came back is there for those who come later.
    while total < 0.95 * cap:
        assert talk(0) != "402"
        total = spent(gateway, key_id)
    assert total <= cap + SLICE
    assert outcomes.count("cut") <= 5
    assert outcomes.count("served") >= 16


def test_fault_5_05_streams_without_a_cap_of_their_own_never_pass_the_budget(four_workers: Gateway) -> None:
    gateway = four_workers
    gateway.behave("chunks-300")
    cap = 20 * (5 * INPUT + 300 * OUTPUT)
    headers, key_id = key_of(gateway, cap)

    def talk(_: int) -> int:
        reply = ask(gateway, headers, stream=True)
        if reply.status_code == 200:
            list(chunks(reply))
        return reply.status_code

    with ThreadPoolExecutor(200) as pool:
        assert set(pool.map(talk, range(200))) <= {200, 402}
    while (total := spent(gateway, key_id)) < 0.95 * cap:
        assert talk(0) == 200
    assert total <= cap + SLICE


@pytest.fixture(scope="module")
def four_workers_of_module(
    tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders
) -> Iterator[Gateway]:
    with own_redis() as redis_url, own_postgres() as database_url:
        env = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "WEB_CONCURRENCY": "4"}
        with Gateway(tmp_path_factory.mktemp("four"), upstream_process, env) as made:
            yield made


@pytest.fixture
def four_workers(four_workers_of_module: Gateway, upstream: EmulatedProviders) -> Gateway:
    return four_workers_of_module


def test_fault_5_09_redis_emptied_under_load_loses_no_money(four_workers: Gateway) -> None:
    gateway = four_workers
    gateway.behave("chunks-30+tick-10")
    cap = 60 * (5 * INPUT + 30 * OUTPUT)
    headers, key_id = key_of(gateway, cap)
    client = gateway.redis()
    assert client is not None

    def talk(number: int) -> int:
        if number % 20 == 10:
            for key in client.scan_iter("v1:*"):
                client.delete(key)
        reply = ask(gateway, headers, stream=True, max_tokens=30)
        if reply.status_code == 200:
            list(chunks(reply))
        return reply.status_code

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(talk, range(120))) <= {200, 402}
    while (total := spent(gateway, key_id)) < 0.95 * cap:
        assert talk(1) == 200
    # Row 5.8: what Redis forgot of those that run is one slice of each at most.
    assert total <= cap + 16 * SLICE
    ask(gateway, headers, stream=True, max_tokens=30)
    kept = client.hgetall(f"v1:bud:key:{key_id}:total")
    assert (int(kept[b"left"]), int(kept[b"leased"])) == (cap - total, 0)


def test_fault_5_03_a_model_without_a_price_is_refused_under_a_budget_before_the_call(gateway: Gateway) -> None:
    headers, _ = key_of(gateway, 10**9)
    name = f"unpriced-{uuid.uuid4().hex[:8]}"
    made = gateway.post(
        "/api/admin/models",
        {"name": name, "provider": "openai", "base_url": f"{gateway.upstream.url}/v1", "verify": False},
    )
    if made.status_code in (200, 201):
        refused = ask(gateway, headers, model=name)
        assert refused.status_code == 402, refused.text
        assert refused.json()["error"]["details"]["reason"] == "price_unknown"
        assert all(entry["model"] != name for entry in gateway.upstream.log())
    else:
        raise AssertionError(made.text)
