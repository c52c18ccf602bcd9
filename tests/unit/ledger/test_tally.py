from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.domain.ledger import SettledChat
from app.services.ledger import tally as tallies
from app.services.ledger.tally import Tally
from app.utils.metrics import Metrics
from tests.stores.sql_support import chat


def lines(tally: Tally) -> dict[str, float]:
    text = tally.render({}).decode()
    found = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in found}


def settled(tally: Tally, *chats: SettledChat) -> dict[str, float]:
    for one in chats:
        tally.accepted()
        tally.settled(one)
    tally.note()
    return lines(tally)


def test_a_chat_is_told_by_its_row_and_its_attempts() -> None:
    told = settled(Tally(Metrics()), chat(model="m", provider="demo", latency_ms=300, ttft_ms=40))
    assert told["requests_accepted_total"] == told["requests_settled_total"] == 1
    assert told['chats_total{model="m",provider="demo",state="complete"}'] == 1
    assert told['attempts_total{error="server_error",provider="groq"}'] == 1
    assert told['attempts_total{error="none",provider="demo"}'] == 1
    assert told['tokens_total{kind="prompt",provider="demo"}'] == 10
    assert told['tokens_total{kind="completion",provider="demo"}'] == 20
    assert told['chat_latency_seconds_bucket{le="0.25",provider="demo"}'] == 0
    assert told['chat_latency_seconds_bucket{le="0.5",provider="demo"}'] == 1
    assert told['chat_ttft_seconds_bucket{le="0.05",provider="demo"}'] == 1


def test_one_that_never_began_has_no_time_to_first_token() -> None:
    told = settled(Tally(Metrics()), chat(ttft_ms=None, provider="demo"))
    assert 'chat_ttft_seconds_count{provider="demo"}' not in told


def test_fault_11_06_past_so_many_names_all_new_ones_are_other() -> None:
    told = settled(Tally(Metrics()), *(chat(model=f"m{n}") for n in range(tallies.MOST + 50)))
    assert told['chats_total{model="other",provider="other",state="other"}'] == 50
    assert sum(name.startswith("chats_total{") for name in told) == tallies.MOST + 1
    assert told["requests_settled_total"] == tallies.MOST + 50


@given(some.lists(some.integers(0, 1_000_000), min_size=1, max_size=20))
def test_times_seen_together_are_told_as_each_by_itself(times: list[int]) -> None:
    metrics, each = Metrics(), Metrics()
    settled(Tally(metrics), *(chat(latency_ms=ms, provider="p") for ms in times))
    for ms in times:
        each.latency.labels("p").observe(ms / 1000)
    shown, expected = lines(Tally(metrics)), lines(Tally(each))
    told = [name for name in expected if name.startswith("chat_latency_seconds_") and "created" not in name]
    assert told
    assert {name: shown[name] for name in told} == pytest.approx({name: expected[name] for name in told})


def test_what_stands_now_is_told_too() -> None:
    text = Tally(Metrics()).render({"redis_up": ("Whether it answers", 1.0)}).decode()
    assert "# HELP redis_up Whether it answers\n# TYPE redis_up gauge\nredis_up 1.0\n" in text


def test_on_its_way_a_chat_pays_microseconds() -> None:
    tally, one = Tally(Metrics()), chat()
    best = 1.0
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(1_000):
            tally.accepted()
            tally.settled(one)
        best = min(best, (time.perf_counter() - began) / 1_000)
    assert best < 12e-6, f"{best * 1e6:.1f} microseconds"
