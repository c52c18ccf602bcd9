"""REDIS_DOWN, as callers meet it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.journeys.gateway import GROQ, Gateway
from tests.journeys.people import Person
from tests.journeys.real_stores import own_postgres
from tests.providers.fixtures import EmulatedProviders

NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture(params=["closed", "open", "local"])
def gateway_without_redis(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders
) -> Iterator[tuple[str, Gateway]]:
    with own_postgres() as database_url:
        env = {
            "REDIS_URL": NOWHERE,
            "REDIS_DOWN": request.param,
            "DATABASE_URL": database_url,
            "WEB_CONCURRENCY": "1",
        }
        with Gateway(tmp_path_factory.mktemp("down"), upstream_process, env) as made:
            yield request.param, made


def statuses(gateway: Gateway, times: int, **limits: Any) -> list[int]:
    person = Person(gateway.url)
    made = person.call("POST", "/api/keys", json={"name": "k", **limits})
    assert made.status_code == 201, made.text
    headers = {"Authorization": f"Bearer {made.json()['data']['key']}"}
    body = {"model": GROQ, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 20}
    replies = [
        requests.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=20)
        for _ in range(times)
    ]
    assert all(reply.headers["x-degraded"] == "redis" for reply in replies if reply.status_code == 200)
    return [reply.status_code for reply in replies]


def test_fault_5_07_without_redis_what_was_declared_holds(gateway_without_redis: tuple[str, Gateway]) -> None:
    mode, gateway = gateway_without_redis
    limited = statuses(gateway, 4, rpm=2)
    capped = statuses(gateway, 3, budget={"amount": 0.0000006, "period": "day"})
    assert (limited, capped) == {
        "closed": ([503] * 4, [503] * 3),
        "open": ([200] * 4, [503] * 3),
        "local": ([200, 200, 429, 429], [200, 402, 402]),
    }[mode]
