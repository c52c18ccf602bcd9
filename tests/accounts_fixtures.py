"""Databases, runners of scripts and houses for the tests of accounts; import what a module needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from app.repositories.database import Database
from app.stores.embedded import EmbeddedRedis
from app.stores.group_trip import GroupTrip
from tests.accounts_house import PASSWORD, REDIS, House, make_tables, postgres_database

MakeHouse = Callable[..., House]


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres_database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/accounts.db"
        make_tables(url)
    else:
        url = request.getfixturevalue("postgres_url")
    database = Database(url)
    yield database
    database.close()


@pytest.fixture(params=["embedded", "redis"])
def runner(request: pytest.FixtureRequest) -> Iterator[Any]:
    runner = EmbeddedRedis() if request.param == "embedded" else GroupTrip(REDIS, timeout=2)
    yield runner
    runner.close()


@pytest.fixture
def make_house(tmp_path: Path) -> Iterator[MakeHouse]:
    """Houses on one SQLite file and one embedded Redis, unless told otherwise: two of them are two workers."""
    url = f"sqlite:///{tmp_path}/house.db"
    make_tables(url)
    shared = EmbeddedRedis()
    opened: list[Database] = []

    def make(runner: Any = None, **options: Any) -> House:
        opened.append(Database(url))
        return House(opened[-1], runner or shared, **options)

    yield make
    for database in opened:
        database.close()


@pytest.fixture
def house(make_house: MakeHouse) -> House:
    return make_house()


class Person:
    """Somebody who has joined, and their last tokens."""

    def __init__(self, house: House, username: str | None = None, password: str = PASSWORD) -> None:
        self.username = username or f"p{uuid4().hex[:12]}"
        self.email = f"{self.username}@example.org"
        self.client = house.client()
        body = {"username": self.username, "email": self.email, "password": password}
        reply = self.client.post("/api/auth/register", json=body)
        assert reply.status_code == 201, reply.text
        data = reply.json["data"]
        self.id: str = data["user"]["id"]
        self.access: str = data["access_token"]
        self.refresh: str = data["refresh_token"]

    def call(self, method: str, path: str, token: str | None = None, **more: Any) -> Any:
        headers = {"Authorization": f"Bearer {token or self.access}"}
        return self.client.open(path, method=method, headers=headers, **more)

    def key(self, **wish: Any) -> dict[str, Any]:
        reply = self.call("POST", "/api/keys", json={"name": "k", **wish})
        assert reply.status_code == 201, reply.text
        made: dict[str, Any] = reply.json["data"]
        return made


def who(house: House, token: str, **headers: str) -> Any:
    """How a route that needs a caller answers to this token."""
    return house.client().get("/who", headers={"Authorization": f"Bearer {token}", **headers})


def sign_in(house: House, name: str, password: str = PASSWORD, address: str = "127.0.0.1") -> Any:
    return house.client().post(
        "/api/auth/login",
        json={"username": name, "password": password},
        environ_overrides={"REMOTE_ADDR": address},
    )
