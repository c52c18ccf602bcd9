"""Room 5.13: workers die at random moments under load; the ledger knows each chat once and what it cost."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest
import requests

from tests.journeys.crashes import SLICE, check_books, killed_at_random, settings
from tests.journeys.gateway import GROQ, Gateway, chunks
from tests.journeys.real_stores import own_postgres, own_redis
from tests.providers.fixtures import EmulatedProviders


def test_fault_5_13_workers_killed_at_random_moments_leave_one_row_a_chat_charged_what_was_sent(
    tmp_path: Path, upstream: EmulatedProviders
) -> None:
    with (
        own_redis() as redis_url,
        own_postgres() as database_url,
        Gateway(tmp_path / "root", upstream, settings(redis_url, database_url)) as gateway,
    ):
        load = killed_at_random(gateway, upstream, 10, random.Random(5))
        states = check_books(gateway, upstream, load)
        assert states["crashed"] > 0
        journals = list((gateway.server.folder / "instance" / "journal").glob("*.journal"))
        assert len(journals) <= 2


@pytest.mark.parametrize("stores", ["embedded", "real"])
def test_fault_3_10_a_service_killed_whole_settles_its_streams_at_the_next_start(
    tmp_path: Path, upstream: EmulatedProviders, stores: str
) -> None:
    with own_redis() as redis_url, own_postgres() as database_url:
        env = settings(redis_url, database_url) if stores == "real" else {"LEASE_TOKENS": str(SLICE)}
        with Gateway(tmp_path / "root", upstream, env) as gateway:
            upstream.behave("chunks-500-of-8+tick-10", model=GROQ)
            with gateway.openai("to be cut", model=GROQ, stream=True) as reply:
                pieces = chunks(reply)
                for _ in range(30):
                    next(pieces)
                os.killpg(gateway.server.pid, signal.SIGKILL)
                gateway.server.wait(5)
                with pytest.raises(requests.RequestException):
                    list(pieces)
            prompt_id = reply.headers["x-request-id"]
            assert gateway.request_rows(prompt_id) == []
            gateway.server.start()
            row = gateway.settled(prompt_id, 30)
            assert row["state"] == "crashed"
            sent = max(entry["parts"] for entry in upstream.log()) * 2
            assert sent - SLICE <= row["completion_tokens"] <= sent
            assert row["prompt_tokens"] > 0
            gateway.http.close()
            assert gateway.say("and on", model="demo")["prompt_id"]
            assert gateway.receipt(prompt_id)["state"] == "crashed"


def test_fault_11_01_a_worker_stopped_for_long_and_killed_by_its_master_is_recovered(
    tmp_path: Path, upstream: EmulatedProviders
) -> None:
    with (
        own_redis() as redis_url,
        own_postgres() as database_url,
        Gateway(tmp_path / "root", upstream, settings(redis_url, database_url)) as gateway,
    ):
        upstream.behave("chunks-3000-of-8+tick-10", model=GROQ)
        with gateway.openai("to be frozen", model=GROQ, stream=True) as reply:
            next(chunks(reply))
            frozen = gateway.workers()
            for pid in frozen:
                os.kill(pid, signal.SIGSTOP)
            # While it lives nobody settles for it; once it is dead somebody does.
            assert gateway.request_rows(reply.headers["x-request-id"]) == []
            for pid in frozen:
                os.kill(pid, signal.SIGKILL)
            row = gateway.settled(reply.headers["x-request-id"], 30)
            assert row["state"] == "crashed"
