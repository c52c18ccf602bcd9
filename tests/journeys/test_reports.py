"""What was used, as users and admins are told it."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from app.utils.clock import utcnow
from tests.journeys.gateway import GROQ, Gateway
from tests.journeys.people import Person
from tests.journeys.server import LiveServer

NUMBERS = ("requests", "prompt_tokens", "completion_tokens", "total_tokens")


def usage(person: Person, **query: Any) -> list[dict[str, Any]]:
    reply = person.get("/api/usage", **query)
    assert reply.status_code == 200, reply.text
    rows: list[dict[str, Any]] = reply.json()["data"]["rows"]
    return rows


def test_usage_is_there_when_the_reply_is_and_is_the_receipts_sum(live_server: LiveServer) -> None:
    person = Person(live_server.url)
    said = [person.chat(f"Number {n}") for n in range(3)]
    (row,) = usage(person)
    assert row["model"] == said[0]["model"]
    assert row["requests"] == 3
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        assert row[name] == sum(one["usage"][name] for one in said)
    assert row["cost"] == 0
    for timed in (row["latency_ms"], row["ttft_ms"]):
        assert 0 <= timed["p50"] <= timed["p95"] <= timed["p99"]


def test_usage_by_day_and_by_key(live_server: LiveServer) -> None:
    person = Person(live_server.url)
    key = person.call("POST", "/api/keys", json={"name": "laptop"}).json()["data"]
    person.chat("By token")
    body = {"model": "demo", "messages": [{"role": "user", "content": "By key"}]}
    by_key = {"Authorization": f"Bearer {key['key']}"}
    for _ in range(2):
        requests.post(
            f"{live_server.url}/v1/chat/completions", json=body, headers=by_key, timeout=20
        ).raise_for_status()
    today = utcnow().date().isoformat()
    assert [(row["day"], row["requests"]) for row in usage(person, group_by="day")] == [(today, 3)]
    found = [(row["key"], row["name"], row["requests"]) for row in usage(person, group_by="key")]
    assert found == [(key["id"], "laptop", 2), (None, None, 1)]
    assert usage(person, **{"from": "2020-01-01", "to": "2020-12-31"}) == []
    assert len(usage(person, **{"from": today, "to": today})) == 1


def test_fault_1_9_a_user_is_told_of_their_own_use_alone(live_server: LiveServer) -> None:
    busy, idle = Person(live_server.url), Person(live_server.url)
    busy.chat("Mine")
    assert usage(idle) == []
    refused = idle.get("/api/usage", group_by="user")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
    told = idle.get("/stats").json()
    assert (told["total_prompts"], told["model_usage"]) == (0, {})
    assert "api_key_stats" not in told
    for path in ("/api/usage", "/stats"):
        assert requests.get(live_server.url + path, timeout=10).status_code == 401


def test_an_admin_is_told_of_everybodys(live_server: LiveServer) -> None:
    person = Person(live_server.url)
    for n in range(2):
        person.chat(f"Number {n}")
    admin = {"Authorization": f"Bearer {live_server.first_key()}"}
    reply = requests.get(f"{live_server.url}/api/usage?group_by=user", headers=admin, timeout=10).json()
    found = {row["user"]: row["requests"] for row in reply["data"]["rows"]}
    assert found[person.name] == 2
    told = requests.get(f"{live_server.url}/stats", headers=admin, timeout=10).json()
    assert told["total_prompts"] >= 2
    for row in told["api_key_stats"]:  # of keys that other tests stored
        assert row.keys() == {"provider", "key", "usage_count", "last_error", "is_current", "cooling_until"}
        assert len(row["key"].removeprefix("…")) <= 4


def test_the_short_doors_numbers(live_server: LiveServer) -> None:
    person = Person(live_server.url)
    said = person.chat("Hello")
    told = person.get("/stats").json()
    average = told.pop("average_latency_ms")
    assert told.pop("cache_size") in (0, 1)  # it is kept after the reply
    assert told == {
        "total_prompts": 1,
        "model_usage": {said["model"]: 1},
        "average_rating": None,
        "model_ratings": {},
        "fallback_count": 0,
        "cache_hits": 0,
    }
    assert abs(average - said["latency_ms"]) <= 50


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"from": "yesterday"}, "from"),
        ({"from": "20261121"}, "from"),
        ({"to": "2026-13-01"}, "to"),
        ({"to": "2026-11-21T00:00:00Z"}, "to"),
        ({"from": "2026-11-22", "to": "2026-11-21"}, "from"),
        ({"group_by": "month"}, "group_by"),
    ],
)
def test_a_report_that_cannot_be_is_400_naming_the_field(
    query: dict[str, str], field: str, live_server: LiveServer
) -> None:
    reply = Person(live_server.url).get("/api/usage", **query)
    assert (reply.status_code, reply.json()["error"]["details"]["field"]) == (400, field)


def test_what_was_paid_and_what_failed_is_told_over_two_workers(production: Gateway) -> None:
    headers = production.user()
    costs = []
    for _ in range(6):
        with production.fresh_connections():
            reply = production.post("/llm/chat", {"message": "Hello", "model": GROQ}, headers=headers)
        costs.append(reply.json()["data"]["cost"])
    production.all_providers("status-500")
    failed = production.post("/llm/chat", {"message": "Hello", "model": GROQ}, headers=headers)
    assert failed.status_code >= 500
    rows = production.get("/api/usage", headers=headers).json()["data"]["rows"]
    assert sum(row["requests"] for row in rows) == 7
    assert sum(row["cost"] for row in rows) == pytest.approx(sum(costs), abs=1e-9)
    assert sum(costs) > 0
