"""What `/metrics` says: right over all workers, of catalogue names alone, to whom it may be told."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import requests

from tests.journeys.gateway import GROQ, Gateway, soon
from tests.journeys.raw_client import RawClient
from tests.journeys.server import LiveServer
from tests.providers.fixtures import EmulatedProviders

LINE = re.compile(r"([a-z_]+)(?:\{(.*)\})? (\S+)")


def scraped(gateway: Gateway) -> dict[str, dict[str, float]]:
    """By name, and by the text of the labels."""
    reply = requests.get(f"{gateway.url}/metrics", timeout=10)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: dict[str, dict[str, float]] = {}
    for line in reply.text.splitlines():
        if not line.startswith("#"):
            name, labels, value = LINE.fullmatch(line).groups()  # type: ignore[union-attr]
            found.setdefault(name, {})[labels or ""] = float(value)
    return found


def balance(gateway: Gateway) -> tuple[float, float, float, float]:
    """Accepted, settled, in flight, recovered."""
    now = scraped(gateway)
    names = ("requests_accepted_total", "requests_settled_total", "requests_in_flight", "requests_recovered_total")
    return tuple(now.get(name, {}).get("", 0.0) for name in names)  # type: ignore[return-value]


def balanced(gateway: Gateway) -> bool:
    accepted, settled, in_flight, recovered = balance(gateway)
    return accepted == settled + in_flight + recovered


def test_accepted_is_settled_and_in_flight_and_recovered_over_two_workers(production: Gateway) -> None:
    before = balance(production)
    with production.fresh_connections():
        threads = [Thread(target=_chats, args=(production, 6)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    soon(lambda: balanced(production), complaint=f"{balance(production)}")
    after = balance(production)
    assert after[0] - before[0] == after[1] - before[1] == 48
    assert after[2] == 0
    assert len({balance(production) for _ in range(10)}) == 1, "each worker says the same"


def _chats(gateway: Gateway, n: int) -> None:
    for _ in range(n):
        body = {"message": "Hello", "model": GROQ}
        headers = {"Authorization": f"Bearer {gateway.key}"}
        assert requests.post(f"{gateway.url}/llm/chat", json=body, headers=headers, timeout=20).status_code == 200


def test_a_chat_under_way_is_in_flight(any_gateway: Gateway) -> None:
    any_gateway.behave("tick-100+chunks-30")
    before = balance(any_gateway)
    body = {"message": "Hello", "model": GROQ, "stream": True}
    with RawClient(any_gateway, "/llm/chat", body) as client:
        client.socket.recv(1)
        during = balance(any_gateway)
        assert during[2] == before[2] + 1
        assert balanced(any_gateway)
    soon(lambda: balance(any_gateway)[1] == during[1] + 1)
    assert balanced(any_gateway)


def test_what_a_killed_worker_had_in_flight_is_recovered(tmp_path: Path, upstream: EmulatedProviders) -> None:
    with Gateway(tmp_path, upstream) as gateway:
        gateway.behave("tick-200+chunks-100")
        body = {"message": "Hello", "model": GROQ, "stream": True}
        with RawClient(gateway, "/llm/chat", body) as client:
            client.socket.recv(1)
            assert balance(gateway)[:3] == (1, 0, 1)
            os.kill(gateway.workers()[0], signal.SIGKILL)
            soon(lambda: _said(gateway) == (1, 0, 0, 1), 30, "nothing was recovered")


def _said(gateway: Gateway) -> tuple[float, float, float, float] | None:
    try:
        return balance(gateway)
    except requests.ConnectionError:
        return None


def test_chats_are_told_by_model_provider_and_state(gateway: Gateway) -> None:
    gateway.say("Hello", model=GROQ)

    def told() -> bool:
        now = scraped(gateway)
        labels = f'model="{GROQ}",provider="groq",state="complete"'
        return (
            now.get("chats_total", {}).get(labels, 0) > 0
            and now["tokens_total"]['kind="completion",provider="groq"'] > 0
            and now["attempts_total"]['error="none",provider="groq"'] > 0
            and now["chat_latency_seconds_count"]['provider="groq"'] > 0
            and now["chat_ttft_seconds_count"]['provider="groq"'] > 0
        )

    soon(told)
    now = scraped(gateway)
    assert (now["redis_up"][""], now["database_up"][""]) == (1, 1)


def test_fault_11_06_names_that_callers_make_up_become_no_lines(gateway: Gateway) -> None:
    gateway.say("Hello", model=GROQ)
    soon(lambda: "chats_total" in scraped(gateway))
    before = sum(map(len, scraped(gateway).values()))
    for n in range(20):
        assert gateway.post("/llm/chat", {"message": "x", "model": f"made-up-{n}"}).status_code == 404
        key = {"Idempotency-Key": f"made-up-{n}", "Authorization": f"Bearer made-up-{n}"}
        assert gateway.post("/llm/chat", {"message": "x"}, headers=key).status_code == 401
    reply = requests.get(f"{gateway.url}/metrics", timeout=10).text
    assert "made-up" not in reply
    assert sum(map(len, scraped(gateway).values())) == before


@pytest.mark.parametrize(
    "header", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Anything", "X-Real-IP", "Via"]
)
def test_fault_11_10_who_comes_through_a_proxy_on_this_machine_finds_nothing(gateway: Gateway, header: str) -> None:
    reply = requests.get(f"{gateway.url}/metrics", headers={header: "127.0.0.1"}, timeout=5)
    assert reply.status_code == 404
    admin = {header: "127.0.0.1", "Authorization": f"Bearer {gateway.key}"}
    assert requests.get(f"{gateway.url}/metrics", headers=admin, timeout=5).status_code == 200
    user = {header: "127.0.0.1", **gateway.user()}
    assert requests.get(f"{gateway.url}/metrics", headers=user, timeout=5).status_code == 404


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("guarded"), {"METRICS_TOKEN": "a-token-for-metrics-only"}) as server:
        yield server


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        ("Bearer a-token-for-metrics-only", 200),
        ("Bearer a-token-for-metrics-onl", 404),
        ("Bearer \xff", 404),
        ("a-token-for-metrics-only", 404),
        ("", 404),
        (None, 404),
    ],
)
def test_fault_11_10_where_there_is_a_token_it_must_be_shown(
    guarded: LiveServer, shown: str | None, status: int
) -> None:
    headers = {} if shown is None else {"Authorization": shown.encode("latin-1")}
    assert requests.get(f"{guarded.url}/metrics", headers=headers, timeout=5).status_code == status  # type: ignore[arg-type]


def test_fault_11_10_an_admin_needs_no_token(guarded: LiveServer) -> None:
    admin = {"Authorization": f"Bearer {guarded.first_key()}"}
    assert requests.get(f"{guarded.url}/metrics", headers=admin, timeout=5).status_code == 200
