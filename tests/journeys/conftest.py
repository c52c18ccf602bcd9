"""What the journeys share: one embedded server for all of them, one on real stores with two workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.journeys.gateway import Gateway
from tests.journeys.invariants import Invariants
from tests.journeys.real_stores import own_postgres, own_redis
from tests.journeys.searching import pages_host, search_engine, searching_gateway  # noqa: F401
from tests.providers.fixtures import *  # noqa: F403
from tests.providers.fixtures import EmulatedProviders


@pytest.fixture(scope="session")
def embedded_gateway(
    tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders
) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("embedded"), upstream_process) as gateway:
        yield gateway


@pytest.fixture
def gateway(embedded_gateway: Gateway, upstream: EmulatedProviders) -> Iterator[Gateway]:
    """The embedded service. Shared: what a test asks of it must not trip another one over."""
    yield embedded_gateway
    embedded_gateway.recover()


@pytest.fixture
def invariants(gateway: Gateway) -> Iterator[Invariants]:
    """Checked when the test has passed; a test may check earlier, or say what it did to the workers."""
    watched = Invariants(gateway)
    yield watched
    watched.check()


@pytest.fixture(scope="session")
def real_gateway(tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders) -> Iterator[Gateway]:
    """The service as it runs in production: PostgreSQL, Redis, two workers."""
    with own_redis() as redis_url, own_postgres() as database_url:
        env = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "WEB_CONCURRENCY": "2"}
        with Gateway(tmp_path_factory.mktemp("real"), upstream_process, env) as gateway:
            yield gateway


@pytest.fixture
def production(real_gateway: Gateway, upstream: EmulatedProviders) -> Iterator[Gateway]:
    yield real_gateway
    real_gateway.recover()


@pytest.fixture(params=["embedded", "real"])
def any_gateway(request: pytest.FixtureRequest, upstream: EmulatedProviders) -> Iterator[Gateway]:
    """Both in turn."""
    found: Gateway = request.getfixturevalue(f"{request.param}_gateway")
    yield found
    found.recover()


@pytest.fixture(scope="session")
def hasty_gateway(tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders) -> Iterator[Gateway]:
    """The embedded service whose heartbeat and patience with slow readers are moments."""
    with Gateway(tmp_path_factory.mktemp("hasty"), upstream_process, hasty=True) as gateway:
        yield gateway


@pytest.fixture
def hasty(hasty_gateway: Gateway, upstream: EmulatedProviders) -> Iterator[Gateway]:
    yield hasty_gateway
    hasty_gateway.recover()
