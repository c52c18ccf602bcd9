"""Limits as callers meet them, at every door and over several workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.journeys.gateway import Gateway
from tests.journeys.people import Person
from tests.providers.fixtures import EmulatedProviders

DOORS: list[tuple[str, dict[str, Any]]] = [
    ("/llm/chat", {"message": "hi", "model": "demo"}),
    ("/chat?model=demo", {"prompt": "hi"}),
    ("/v1/chat/completions", {"model": "demo", "messages": [{"role": "user", "content": "hi"}]}),
    ("/v1/chat/completions", {"model": "demo", "messages": [{"role": "user", "content": "hi"}], "stream": True}),
]


def key_of(gateway: Gateway, **limits: Any) -> dict[str, str]:
    """The headers of a new user's new key."""
    person = Person(gateway.url)
    made = person.call("POST", "/api/keys", json={"name": "k", **limits})
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['data']['key']}"}


@pytest.mark.parametrize(("path", "body"), DOORS)
def test_every_door_tells_what_is_left_and_refuses_when_nothing_is(
    gateway: Gateway, path: str, body: dict[str, Any]
) -> None:
    headers = key_of(gateway, rpm=2)
    for left in ("1", "0"):
        reply = requests.post(gateway.url + path, json=body, headers=headers, timeout=10)
        assert reply.status_code == 200, reply.text
        assert reply.headers["x-ratelimit-limit-requests"] == "2"
        assert reply.headers["x-ratelimit-remaining-requests"] == left
        assert 0 < int(reply.headers["x-ratelimit-reset-requests"]) <= 60
    refused = requests.post(gateway.url + path, json=body, headers=headers, timeout=10)
    assert refused.status_code == 429
    error = refused.json()["error"]
    assert error["code"] == "rate_limited"
    assert error["details"] == {"limit": "key", "reason": "requests"}
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"


def test_a_chat_that_failed_tells_its_limits_too(gateway: Gateway) -> None:
    headers = key_of(gateway, rpm=9)
    gateway.behave("status-500")
    body = {"message": "hi", "model": "llama-3.1-8b-instant", "fallbacks": ["llama-3.1-8b-instant"]}
    reply = requests.post(f"{gateway.url}/llm/chat", json=body, headers=headers, timeout=20)
    assert reply.status_code == 502
    assert reply.headers["x-ratelimit-remaining-requests"] == "8"


def test_fault_5_04_a_thousand_requests_at_once_on_a_limit_of_sixty_over_four_workers(
    production_of_four: Gateway,
) -> None:
    gateway, body = production_of_four, DOORS[2][1]
    headers = key_of(gateway, rpm=60)

    def knock(_: int) -> int:
        return requests.post(gateway.url + DOORS[2][0], json=body, headers=headers, timeout=60).status_code

    with ThreadPoolExecutor(64) as pool:
        statuses = list(pool.map(knock, range(1000)))
    assert sorted(set(statuses)) == [200, 429]
    assert statuses.count(200) == 60
    assert gateway.sql("SELECT count(*) AS n FROM requests WHERE key_id IS NOT NULL")[0]["n"] == 60


@pytest.fixture
def production_of_four(tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders) -> Any:
    from tests.journeys.real_stores import own_postgres, own_redis

    with own_redis() as redis_url, own_postgres() as database_url:
        env = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "WEB_CONCURRENCY": "4"}
        with Gateway(tmp_path_factory.mktemp("four"), upstream_process, env) as made:
            yield made
