"""What one worker learns of a provider holds for all: two workers over Redis and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.chaos import run
from tests.journeys.failing import Outcome, ask, calls, failing_gateway, gaps, spare, wait_for_spares
from tests.journeys.gateway import KEYS, Gateway, soon
from tests.journeys.real_stores import own_postgres, own_redis
from tests.providers.fixtures import EmulatedProviders

WAY = ("openai", False)


@pytest.fixture(scope="module")
def _workers(tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders) -> Iterator[Gateway]:
    with own_redis() as redis_url, own_postgres() as database_url:
        env = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "WEB_CONCURRENCY": "2"}
        with failing_gateway(tmp_path_factory.mktemp("workers"), upstream_process, env) as gateway:
            wait_for_spares(gateway)
            soon(lambda: len(gateway.workers()) == 2)
            yield gateway


@pytest.fixture
def workers(_workers: Gateway, upstream: EmulatedProviders) -> Gateway:
    return _workers


def anew(gateway: Gateway, *models: str) -> Outcome:
    """Over a connection of its own, which lands on any worker."""
    with gateway.fresh_connections():
        return ask(gateway, WAY, "hello there", *models)


def test_chaos_over_two_workers(workers: Gateway) -> None:
    workers.upstream.forget()
    tally = run(workers, 120)
    assert tally.kept, str(tally)


def test_a_breaker_that_one_worker_opened_spares_the_others_callers(workers: Gateway) -> None:
    first, second = spare(workers, "groq", "html-200"), spare(workers, "openai")
    for _ in range(30):
        assert anew(workers, first, second).whole
    # Five in a row at each worker would be ten, and the probes of some seconds.
    assert len(calls(workers, first)) <= 10


def test_a_model_that_recovers_serves_again_at_both(workers: Gateway) -> None:
    first, second = spare(workers, "groq", "html-200"), spare(workers, "openai")
    for _ in range(12):
        anew(workers, first, second)
    workers.upstream.behave("healthy", model=first.partition("/")[2])
    name = first.partition("/")[2]
    soon(lambda: all(anew(workers, first, second).model == name for _ in range(6)), 30, "it does not serve again")


def test_a_key_that_one_worker_saw_limited_is_not_asked_by_the_other(workers: Gateway) -> None:
    first, second = spare(workers, "anthropic", "retry-after-5"), spare(workers, "openai")
    for _ in range(20):
        assert anew(workers, first, second).whole
    seen = [call for call in calls(workers, first) if call["headers"].get("x-api-key") == KEYS["anthropic"]]
    assert len(seen) <= 2
    assert all(gap < 1.0 for gap in gaps(seen)), "asked again long after it was known"
