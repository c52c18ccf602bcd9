"""Room 6.1 and 5.7 at large: a store goes and comes back under load; no chat fails for it, no row is lost."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

import pytest

from tests.journeys.flaky_stores import Gate, flaky_redis, spooled
from tests.journeys.gateway import GROQ, Gateway, soon
from tests.journeys.load import Load
from tests.journeys.real_stores import own_postgres, own_redis
from tests.providers.fixtures import EmulatedProviders

#: No conversation grows past its window here: a summary would be a row of its own.
LONG = {"CONVERSATION_MAX_MESSAGES": "5000", "CONVERSATION_MAX_TOKENS": "1000000"}


def kept_once(gateway: Gateway, load: Load) -> None:
    """Every chat has one row, and every answer of a conversation its two messages."""
    ids = [one.id for one in load.said if one.id is not None]
    assert len(ids) == len(set(ids)) == len(load.said)

    def rows() -> dict[str, str]:
        return {row["prompt_id"]: row["state"] for row in gateway.sql("SELECT prompt_id, state FROM requests")}

    soon(lambda: set(ids) <= set(rows()), 15, f"{len(set(ids) - set(rows()))} of {len(ids)} rows are missing")
    assert {rows()[name] for name in ids} == {"complete"}
    assert len(rows()) == len(ids)
    talks = sum(one.text.startswith("talk") for one in load.said)
    assert gateway.sql("SELECT count(*) AS n FROM messages")[0]["n"] == 2 * talks
    assert gateway.sql("SELECT sum(message_count) AS n FROM conversations")[0]["n"] == 2 * talks
    assert gateway.sql("SELECT sum(requests) AS n FROM rollups")[0]["n"] == len(ids)


@pytest.mark.parametrize("how", ["refused", "silent"])
def test_fault_6_01_postgresql_goes_and_comes_back_under_load(
    tmp_path: Path, upstream: EmulatedProviders, how: Literal["refused", "silent"]
) -> None:
    with own_redis() as redis_url, own_postgres() as database_url:
        gate = Gate(database_url, 5432)
        env = {"REDIS_URL": redis_url, "DATABASE_URL": gate.url, "WEB_CONCURRENCY": "2", **LONG}
        with Gateway(tmp_path / "root", upstream, env) as gateway:
            upstream.behave("chunks-5+tick-5", model=GROQ)
            load = Load(gateway, stream=3, talk=3)
            with load.running():
                load.goes_on(30)
                gate.shut() if how == "refused" else gate.silence()
                soon(lambda: spooled(gateway.server.folder), 15, "nothing is spooled")
                load.goes_on(60, 30)
                degraded = [one for one in load.said if one.headers.get("x-degraded") == "database"]
                assert degraded
                gate.open()
                soon(lambda: not spooled(gateway.server.folder), 20, "the spool is not replayed")
                load.goes_on(30)
            assert load.failed() == []
            kept_once(gateway, load)
            assert not list((gateway.server.folder / "instance" / "spool").glob("*.bad"))
        gate.shut()


def test_fault_5_07_redis_is_stopped_emptied_and_started_under_load(
    tmp_path: Path, upstream: EmulatedProviders
) -> None:
    with flaky_redis() as redis, own_postgres() as database_url:
        env = {"REDIS_URL": redis.url, "DATABASE_URL": database_url, "WEB_CONCURRENCY": "2", **LONG}
        with Gateway(tmp_path / "root", upstream, env) as gateway:
            upstream.behave("chunks-5+tick-5", model=GROQ)
            load = Load(gateway, stream=3, talk=3)
            with load.running():
                load.goes_on(30)
                redis.stop()
                load.goes_on(60, 30)
                assert any(one.headers.get("x-degraded") == "redis" for one in load.said)
                redis.start()
                load.goes_on(60, 30)
            assert load.failed() == []
            kept_once(gateway, load)
            client = gateway.redis()
            assert client is not None
            soon(lambda: client.zcard("v1:fly") == 0, 5, "a chat holds its place in flight")


def test_fault_6_06_a_full_spool_takes_no_new_chats_and_readiness_says_so(
    tmp_path: Path, upstream: EmulatedProviders
) -> None:
    with own_redis() as redis_url, own_postgres() as database_url:
        gate = Gate(database_url, 5432)
        env = {"REDIS_URL": redis_url, "DATABASE_URL": gate.url, "SPOOL_MAX_MB": "1", "WEB_CONCURRENCY": "1"}
        with Gateway(tmp_path / "root", upstream, env) as gateway:
            known_by = time.monotonic() + 2  # the news of the key that was just made has reached its worker
            while time.monotonic() < known_by:
                gateway.say("known before", model="demo")
            gate.shut()
            replies = [gateway.say("x" * 90_000, model="demo")]
            while len(replies) < 40:
                reply = gateway.post("/llm/chat", {"message": "x" * 90_000, "model": "demo"})
                if reply.status_code != 200:
                    break
                replies.append(reply.json()["data"])
            assert len(replies) > 2, reply.text
            assert reply.status_code == 503, reply.text
            assert reply.json()["error"]["code"] == "unavailable"
            soon(lambda: "ALARM: the spool is half full" in gateway.logs(), 3, "no alarm")
            ready = gateway.get("/api/ready")
            assert ready.status_code == 503, ready.text
            gate.open()
            soon(lambda: gateway.get("/api/ready").status_code == 200, 20, "it takes no chats again")
            for one in replies:
                gateway.settled(one["prompt_id"], 10)
        gate.shut()
