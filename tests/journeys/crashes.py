"""Workers killed in the middle of their work, and the books held against what the provider sent."""

from __future__ import annotations

import os
import random
import signal
from contextlib import suppress
from typing import Any

import requests

from tests.journeys.gateway import GROQ, Gateway, soon
from tests.journeys.load import Load
from tests.providers.fixtures import EmulatedProviders

SLICE = 32
WORDS = "chunks-60-of-8+tick-10"
BYTES_A_PIECE = 8
PRICES = "SELECT price_input AS i, price_output AS o, charge, prompt_tokens AS p, completion_tokens AS c FROM requests"


def settings(redis_url: str, database_url: str) -> dict[str, str]:
    return {
        "REDIS_URL": redis_url,
        "DATABASE_URL": database_url,
        "WEB_CONCURRENCY": "2",
        "LEASE_TOKENS": str(SLICE),
        "STALL_TIMEOUT": "10",
    }


def killed_at_random(gateway: Gateway, upstream: EmulatedProviders, times: int, chance: random.Random) -> Load:
    """A load during which a worker is killed so many times, each at another moment of the chats."""
    upstream.behave(WORDS, model=GROQ)
    load = Load(gateway, stream=6)
    with load.running():
        load.goes_on(6)
        for _ in range(times):
            sent = _sent(upstream)
            enough = sent + chance.randrange(400)
            soon(lambda enough=enough: _sent(upstream) >= enough, 20, "the upstream is not asked any more")
            workers = gateway.workers()
            with suppress(ProcessLookupError):
                os.kill(chance.choice(workers), signal.SIGKILL)
            soon(lambda workers=workers: _replaced(gateway, workers), 20, "no worker takes the dead one's place")
        load.goes_on(6)
    return load


def check_books(gateway: Gateway, upstream: EmulatedProviders, load: Load) -> dict[str, int]:
    """One terminal row for each accepted chat within 30 s, charged what was sent. How many ended in which state."""
    ids = {one.id for one in load.said if one.id is not None}

    def rows() -> dict[str, dict[str, Any]]:
        return {row["prompt_id"]: row for row in gateway.sql("SELECT * FROM requests")}

    soon(lambda: ids <= set(rows()), 30, f"{len(ids - set(rows()))} of {len(ids)} accepted chats have no row")
    calls = [entry for entry in upstream.log() if entry["path"].endswith("/chat/completions")]
    soon(lambda: len(rows()) >= len(calls), 30, f"{len(calls)} calls, {len(rows())} rows")
    client = gateway.redis()
    assert client is not None
    found = rows()
    known = {one.id: one for one in load.said if one.id is not None}
    sent = {_asked(entry): entry["parts"] for entry in calls}
    states: dict[str, int] = {}
    for prompt_id, row in found.items():
        states[row["state"]] = states.get(row["state"], 0) + 1
        one = known.get(prompt_id)
        if one is None:
            assert row["state"] == "crashed", row
        elif one.whole:
            assert row["state"] == "complete", row
            assert row["completion_tokens"] == 60
        else:
            assert row["state"] in ("crashed", "complete"), (row, one)
        if row["state"] == "crashed":
            _charged_what_was_sent(row, None if one is None else sent.get(one.text))
    for row in gateway.sql(PRICES):
        assert row["charge"] == -(-(row["p"] * row["i"] + row["c"] * row["o"]) // 1_000_000)
    done = {one.text for one in load.said if one.id in found and found[one.id]["state"] == "complete"}
    tokens = sum(parts * BYTES_A_PIECE // 4 for text, parts in sent.items() if text not in done)
    counted = sum(row["completion_tokens"] for row in found.values() if row["state"] == "crashed")
    assert tokens - SLICE * states.get("crashed", 0) <= counted <= tokens, (tokens, counted, states)
    soon(lambda: client.zcard("v1:fly") == 0, 30, "a dead chat holds its place in flight")
    return states


def _charged_what_was_sent(row: dict[str, Any], parts: int | None) -> None:
    if parts is None:
        return
    tokens = parts * BYTES_A_PIECE // 4
    assert tokens - SLICE <= row["completion_tokens"] <= tokens, (row, parts)


def _sent(upstream: EmulatedProviders) -> int:
    return sum(entry.get("parts", 0) for entry in upstream.log())


def _asked(entry: dict[str, Any]) -> str:
    text: str = entry["body"]["messages"][-1]["content"]
    return text


def _replaced(gateway: Gateway, before: list[int]) -> bool:
    now = gateway.workers()
    if len(now) != len(before) or now == before:
        return False
    with suppress(requests.RequestException):
        return requests.get(f"{gateway.url}/api/health", timeout=2).ok
    return False
