"""Four workers on one PostgreSQL and one Redis: what is taken back at one is refused at all, within a second."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
import redis
import requests

from app.repositories.database import Database
from app.repositories.users import Users
from tests import accounts_fixtures
from tests.accounts_house import PASSWORD

postgres_url = accounts_fixtures.postgres_url
WORKERS = 4


class OwnRedis:
    """A Redis server that can be stopped without harm to anybody else."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        words = ["redis-server", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        _until(self._answers, 10)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        try:
            with redis.Redis(port=self.port) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


class Workers:
    def __init__(self, database_url: str, redis_url: str) -> None:
        words = [sys.executable, "-m", "tests.accounts_worker", database_url, redis_url]
        self._processes = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(WORKERS)]
        self.ports = [int(process.stdout.readline()) for process in self._processes if process.stdout]

    def call(self, worker: int, method: str, path: str, token: str | None = None, **more: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"http://127.0.0.1:{self.ports[worker]}{path}"
        return requests.request(method, url, headers=headers, timeout=10, **more)

    def statuses(self, token: str) -> list[int]:
        return [self.call(worker, "GET", "/who", token).status_code for worker in range(WORKERS)]

    def stop(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            assert process.stdout
            process.stdout.close()


def _until(true: Callable[[], bool], seconds: float) -> float:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, "it did not come to pass"
    return time.monotonic() - began


@pytest.fixture(scope="module")
def own_redis() -> Iterator[OwnRedis]:
    server = OwnRedis()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def workers(postgres_url: str, own_redis: OwnRedis) -> Iterator[Workers]:
    workers = Workers(postgres_url, own_redis.url)
    yield workers
    workers.stop()


@pytest.fixture
def person(workers: Workers) -> dict[str, Any]:
    name = f"p{uuid4().hex[:12]}"
    body = {"username": name, "email": f"{name}@b.c", "password": PASSWORD}
    data: dict[str, Any] = workers.call(0, "POST", "/api/auth/register", json=body).json()["data"]
    made = workers.call(0, "POST", "/api/keys", data["access_token"], json={"name": "k"}).json()["data"]
    return data | {"name": name, "id": data["user"]["id"], "key": made["key"], "key_id": made["id"]}


def _delete_key(workers: Workers, person: dict[str, Any], _: Users) -> None:
    path = f"/api/keys/{person['key_id']}"
    assert workers.call(0, "DELETE", path, person["access_token"]).status_code == 204


def _logout(workers: Workers, person: dict[str, Any], _: Users) -> None:
    assert workers.call(0, "POST", "/api/auth/logout", person["access_token"]).status_code == 204


def _change_password(workers: Workers, person: dict[str, Any], _: Users) -> None:
    change = {"password": "New-horse-22", "current_password": PASSWORD}
    assert workers.call(0, "PATCH", "/api/profile", person["access_token"], json=change).status_code == 200


def _disable(_: Workers, person: dict[str, Any], users: Users) -> None:
    users.change(person["id"], {"active": False})


def _change_role(_: Workers, person: dict[str, Any], users: Users) -> None:
    users.change(person["id"], {"role": "admin"})


EVENTS = [
    pytest.param(_delete_key, "key", id="key deleted"),
    pytest.param(_logout, "access_token", id="logout"),
    pytest.param(_change_password, "access_token", id="password changed"),
    pytest.param(_disable, "access_token", id="user disabled"),
    pytest.param(_disable, "key", id="user disabled, by key"),
    pytest.param(_change_role, "access_token", id="role changed"),
]


@pytest.fixture
def users(postgres_url: str) -> Iterator[Users]:
    """Changes made past all workers, so that only SQL tells of them."""
    database = Database(postgres_url)
    yield Users(database)
    database.close()


def _refused_everywhere_within_a_second(
    workers: Workers, person: dict[str, Any], event: Any, token: str, users: Users
) -> None:
    assert workers.statuses(person[token]) == [200] * WORKERS
    event(workers, person, users)
    # A tenth of a second for the requests themselves, on a machine that others use too.
    assert _until(lambda: workers.statuses(person[token]) == [401] * WORKERS, 5) < 1.1


@pytest.mark.parametrize(("event", "token"), EVENTS)
def test_fault_1_07_what_is_taken_back_is_refused_by_every_worker_within_a_second(
    workers: Workers, person: dict[str, Any], event: Any, token: str, users: Users
) -> None:
    _refused_everywhere_within_a_second(workers, person, event, token, users)


def test_fault_1_14_of_twenty_equal_registrations_over_four_workers_one_is_made(workers: Workers) -> None:
    name = f"Twin{uuid4().hex[:8]}"

    def join(n: int) -> int:
        body = {"username": name.upper() if n % 2 else name.lower(), "password": PASSWORD}
        return workers.call(n % WORKERS, "POST", "/register", json=body).status_code

    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(join, range(20))) == [201] + [409] * 19


def test_fault_1_15_two_tabs_at_two_workers_get_one_pair(workers: Workers, person: dict[str, Any]) -> None:
    def refresh(worker: int) -> Any:
        body = {"refresh_token": person["refresh_token"]}
        return workers.call(worker % WORKERS, "POST", "/api/auth/refresh", json=body).json()

    with ThreadPoolExecutor(8) as pool:
        pairs = list(pool.map(refresh, range(8)))
    assert all(pair == pairs[0] for pair in pairs)
    assert workers.statuses(pairs[0]["data"]["access_token"]) == [200] * WORKERS


def test_fault_1_11_workers_count_misses_together(workers: Workers, person: dict[str, Any]) -> None:
    body = {"username": person["name"], "password": "wrong"}
    statuses = [workers.call(n % WORKERS, "POST", "/api/auth/login", json=body).status_code for n in range(6)]
    assert statuses == [401] * 5 + [429]


def test_fault_1_11_a_hundred_guesses_at_once_are_told_five_times(workers: Workers, person: dict[str, Any]) -> None:
    def guess(n: int) -> int:
        body = {"username": person["name"], "password": PASSWORD if n == 40 else f"wrong-{n}"}
        return workers.call(n % WORKERS, "POST", "/api/auth/login", json=body).status_code

    with ThreadPoolExecutor(40) as pool:
        statuses = list(pool.map(guess, range(100)))
    assert statuses.count(401) + statuses.count(200) <= 6
    assert set(statuses) <= {200, 401, 429}


@pytest.mark.parametrize(("event", "token"), EVENTS)
def test_fault_1_07_with_redis_stopped_sql_tells_every_worker(
    workers: Workers, own_redis: OwnRedis, person: dict[str, Any], event: Any, token: str, users: Users
) -> None:
    own_redis.stop()
    try:
        _refused_everywhere_within_a_second(workers, person, event, token, users)
    finally:
        own_redis.start()


def test_a_redis_that_comes_back_empty_lets_nobody_back_in(
    workers: Workers, own_redis: OwnRedis, person: dict[str, Any], users: Users
) -> None:
    own_redis.stop()
    _delete_key(workers, person, users)
    own_redis.start()
    _until(lambda: workers.statuses(person["key"]) == [401] * WORKERS, 5)
    assert workers.statuses(person["access_token"]) == [200] * WORKERS
