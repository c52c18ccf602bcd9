"""Real Redis and PostgreSQL for the journeys: a database of one's own in each, gone afterwards."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis

REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
DATABASE_URL = os.environ.get("TEST_DATABASE_URL", "postgresql://postgres@127.0.0.1:5432/postgres")


def owed(missing: str) -> NoReturn:
    """A service is not there: a failure where services are owed, else a skip."""
    if os.environ.get("CI") == "true" or os.environ.get("REQUIRE_SERVICES") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


@contextmanager
def own_redis() -> Iterator[str]:
    """The URL of a numbered database that nobody uses."""
    parts = urlsplit(REDIS_URL)
    for number in range(14, 0, -1):
        url = urlunsplit(parts._replace(path=f"/{number}"))
        client = redis.Redis.from_url(url, protocol=2)
        try:
            free = client.set("journeys", uuid.uuid4().hex, nx=True, ex=900) and client.dbsize() == 1
        except redis.RedisError as fault:
            owed(f"no Redis at TEST_REDIS_URL: {fault}")
        if free:
            try:
                yield url
            finally:
                client.flushdb()
                client.close()
            return
    owed("no database of Redis is free")


@contextmanager
def own_postgres() -> Iterator[str]:
    """The URL of a new database."""
    name = f"journeys_{uuid.uuid4().hex[:12]}"
    try:
        admin = psycopg.connect(DATABASE_URL, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as fault:
        owed(f"no PostgreSQL at TEST_DATABASE_URL: {fault}")
    with admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield urlunsplit(urlsplit(DATABASE_URL)._replace(path=f"/{name}"))
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
