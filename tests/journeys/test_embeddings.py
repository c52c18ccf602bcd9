"""Texts as vectors at the OpenAI door: by the embedded model, by a provider's, by OpenAI's own client."""

from __future__ import annotations

import base64
import math
import struct
from typing import Any

import openai
import pytest

from tests.journeys.gateway import Gateway
from tests.journeys.test_budgets import key_of
from tests.providers.embedding import vector

EMBEDDED = "wordllama-256"
SMALL = "text-embedding-3-small"


@pytest.fixture
def client(any_gateway: Gateway) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{any_gateway.url}/v1", api_key=any_gateway.key, max_retries=0)


def length(numbers: list[float]) -> float:
    return math.sqrt(sum(number * number for number in numbers))


def near(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def refused(gateway: Gateway, **body: Any) -> tuple[int, str, str | None]:
    reply = gateway.post("/v1/embeddings", {"model": EMBEDDED, "input": "hello"} | body)
    error = reply.json()["error"]
    return reply.status_code, error["code"], error["param"]


def asked(gateway: Gateway) -> list[dict[str, Any]]:
    """Requests for vectors that reached a provider."""
    return [entry for entry in gateway.upstream.log() if entry["method"] == "POST"]


def test_openais_client_gets_vectors_of_the_embedded_model(client: openai.OpenAI, any_gateway: Gateway) -> None:
    texts = ["how do I bake bread", "baking a loaf of bread", "the engine of my car stalls"]
    reply = client.embeddings.create(model=EMBEDDED, input=texts)
    assert (reply.object, reply.model, [row.index for row in reply.data]) == ("list", EMBEDDED, [0, 1, 2])
    bread, loaf, engine = (row.embedding for row in reply.data)
    assert [len(bread), len(loaf), len(engine)] == [256] * 3
    assert length(bread) == pytest.approx(1.0, abs=1e-4)
    assert near(bread, loaf) > near(bread, engine) + 0.2
    assert 10 <= reply.usage.prompt_tokens == reply.usage.total_tokens <= 40
    assert asked(any_gateway) == []


def test_it_is_in_the_ledger_like_any_request_and_costs_nothing(gateway: Gateway) -> None:
    reply = gateway.post("/v1/embeddings", {"model": EMBEDDED, "input": "hello there"})
    assert reply.status_code == 200, reply.text
    assert (reply.headers["x-model"], reply.headers["x-provider"]) == (EMBEDDED, "embedded")
    assert reply.headers["x-cost-usd"] == "0.000000000"
    receipt = gateway.receipt(reply.headers["x-request-id"])
    assert (receipt["state"], receipt["model"], receipt["cost"]) == ("complete", EMBEDDED, 0)
    assert receipt["usage"]["prompt_tokens"] == reply.json()["usage"]["prompt_tokens"] > 0
    assert receipt["usage"]["completion_tokens"] == 0
    assert len(receipt["attempts"]) == 1


def test_floats_and_base64_are_the_same_numbers(gateway: Gateway) -> None:
    floats, packed = (
        gateway.post("/v1/embeddings", {"model": EMBEDDED, "input": "hello", "encoding_format": form}).json()
        for form in ("float", "base64")
    )
    raw = base64.b64decode(packed["data"][0]["embedding"])
    assert list(struct.unpack("<256f", raw)) == floats["data"][0]["embedding"]


def test_fewer_dimensions_are_the_first_of_them_at_length_one(client: openai.OpenAI) -> None:
    whole = client.embeddings.create(model=EMBEDDED, input="hello").data[0].embedding
    short = client.embeddings.create(model=EMBEDDED, input="hello", dimensions=64).data[0].embedding
    assert len(short) == 64
    assert length(short) == pytest.approx(1.0, abs=1e-4)
    assert near(short, whole[:64]) / length(whole[:64]) == pytest.approx(1.0, abs=1e-4)


def test_tokens_are_the_text_they_stand_for(client: openai.OpenAI) -> None:
    told = client.embeddings.create(model=EMBEDDED, input="hello world").data[0].embedding
    tokens = client.embeddings.create(model=EMBEDDED, input=[15339, 1917]).data[0].embedding
    several = client.embeddings.create(model=EMBEDDED, input=[[15339, 1917], [15339]]).data
    assert tokens == told == several[0].embedding
    assert several[1].embedding != told


def test_a_providers_vectors_come_as_it_made_them_and_are_charged(gateway: Gateway) -> None:
    reply = gateway.post("/v1/embeddings", {"model": SMALL, "input": ["a b c", "d e"], "dimensions": 5})
    assert reply.status_code == 200, reply.text
    rows = reply.json()["data"]
    assert [row["embedding"] for row in rows] == [vector("a b c", 5), vector("d e", 5)]
    assert reply.json()["usage"] == {"prompt_tokens": 5, "total_tokens": 5}
    (sent,) = asked(gateway)
    assert sent["path"] == "/openai/v1/embeddings"
    assert sent["body"] == {"model": SMALL, "input": ["a b c", "d e"], "dimensions": 5}
    assert gateway.receipt(reply.headers["x-request-id"])["cost"] == pytest.approx(5 * 20 / 10**9)


@pytest.mark.parametrize("words", ["base64-vectors", "shuffled-vectors"])
def test_a_provider_may_pack_and_order_them_as_it_likes(gateway: Gateway, words: str) -> None:
    gateway.behave(words, SMALL, to_leavers=True)
    rows = gateway.post("/v1/embeddings", {"model": SMALL, "input": ["a", "b"]}).json()["data"]
    assert [row["embedding"] for row in rows] == [vector("a"), vector("b")]


@pytest.mark.parametrize(
    "words", ["few-vectors", "nan-vector", "text-vector", "uneven-vectors", "no-vectors", "twice-vector", "html-200"]
)
def test_vectors_that_cannot_be_are_a_providers_fault(gateway: Gateway, words: str) -> None:
    gateway.behave(words, SMALL)
    reply = gateway.post("/v1/embeddings", {"model": SMALL, "input": ["a", "b"]})
    assert (reply.status_code, reply.json()["error"]["code"]) == (502, "upstream_failed")


def test_no_other_model_stands_in_for_one_that_fails(gateway: Gateway) -> None:
    """Vectors of two models cannot be compared: a wrong one is worse than none."""
    gateway.behave("status-500", SMALL)
    reply = gateway.post("/v1/embeddings", {"model": SMALL, "input": "a"})
    assert reply.status_code == 502
    attempts = gateway.receipt(reply.headers["x-request-id"])["attempts"]
    assert {attempt["model"] for attempt in attempts} == {SMALL}


def test_limits_and_budgets_hold_for_vectors_too(gateway: Gateway) -> None:
    headers, _ = key_of(gateway, 10)
    reply = gateway.post("/v1/embeddings", {"model": SMALL, "input": "a b c " * 50}, headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (402, "budget_exceeded")
    free = gateway.post("/v1/embeddings", {"model": EMBEDDED, "input": "a b c " * 50}, headers=headers)
    assert free.status_code == 200


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"model": None}, (400, "invalid_request", "model")),
        ({"model": "demo"}, (400, "invalid_request", "model")),
        ({"model": "nobody"}, (404, "not_found", "model")),
        ({"input": None}, (400, "invalid_request", "input")),
        ({"input": ""}, (400, "invalid_request", "input")),
        ({"input": []}, (400, "invalid_request", "input")),
        ({"input": 5}, (400, "invalid_request", "input")),
        ({"input": ["a", ""]}, (400, "invalid_request", "input[1]")),
        ({"input": ["a", 5.5]}, (400, "invalid_request", "input[1]")),
        ({"input": ["a", True]}, (400, "invalid_request", "input[1]")),
        ({"input": [[1, -1]]}, (400, "invalid_request", "input[0]")),
        ({"input": [999_999_999]}, (400, "invalid_request", "input")),
        ({"input": ["a"] * 2049}, (400, "invalid_request", "input")),
        ({"input": "a" * 65_537}, (400, "context_length_exceeded", "input")),
        ({"input": [5] * 8_193}, (400, "context_length_exceeded", "input")),
        ({"encoding_format": "int8"}, (400, "invalid_request", "encoding_format")),
        ({"dimensions": 0}, (400, "invalid_request", "dimensions")),
        ({"dimensions": 257}, (400, "invalid_request", None)),
        ({"base_url": "http://x"}, (400, "invalid_request", "base_url")),
    ],
)
def test_what_cannot_be_embedded_is_refused_by_its_name(
    gateway: Gateway, body: dict[str, Any], wanted: tuple[int, str, str | None]
) -> None:
    status, code, param = refused(gateway, **body)
    assert (status, code) == wanted[:2]
    assert wanted[2] is None or (param or "").startswith(wanted[2])


def test_models_list_it_and_a_chat_with_it_is_refused(gateway: Gateway, client: openai.OpenAI) -> None:
    assert EMBEDDED in [model.id for model in client.models.list()]
    reply = gateway.post("/v1/chat/completions", {"model": EMBEDDED, "messages": [{"role": "user", "content": "hi"}]})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "model")


def test_a_thousand_texts_come_in_their_order(client: openai.OpenAI) -> None:
    rows = client.embeddings.create(model=EMBEDDED, input=[f"text number {n}" for n in range(1000)]).data
    assert [row.index for row in rows] == list(range(1000))
