"""Routes that are no chat are counted by caller, all together, and over all workers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.journeys.people import Person
from tests.journeys.real_stores import own_postgres, own_redis
from tests.journeys.server import LiveServer

LIMIT = 8


@pytest.fixture(scope="module", params=["embedded", "real"])
def narrow(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder: Path = tmp_path_factory.mktemp(f"narrow-{request.param}")
    env = {"ROUTES_PER_MINUTE": str(LIMIT), "RATE_LIMIT_PER_MINUTE": "1000"}
    if request.param == "embedded":
        with LiveServer(folder, env) as server:
            yield server
        return
    with own_redis() as redis_url, own_postgres() as database_url:
        more = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "WEB_CONCURRENCY": "2"}
        with LiveServer(folder, env | more) as server:
            yield server


def test_a_caller_is_refused_past_the_limit_at_every_door_but_their_chats_go_on(narrow: LiveServer) -> None:
    person, other = Person(narrow.url), Person(narrow.url)
    headers = {"Authorization": f"Bearer {person.token}", "Connection": "close"}
    paths = ["/api/profile", "/v1/models", "/sessions", "/api/usage"]
    statuses = [
        requests.get(narrow.url + paths[n % len(paths)], headers=headers, timeout=10).status_code
        for n in range(LIMIT + 4)
    ]
    assert statuses == [200] * LIMIT + [429] * 4
    refused = person.get("/v1/models")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    error = refused.json()["error"]
    assert (error["code"], error["type"]) == ("rate_limited", "rate_limit_error")
    refused = person.get("/api/profile")
    assert (refused.json()["status"], refused.json()["error"]["code"]) == ("error", "rate_limited")
    for _ in range(LIMIT + 2):
        person.chat("Hello")
    assert other.get("/api/profile").status_code == 200


def test_who_watches_is_never_refused(narrow: LiveServer) -> None:
    for path in ("/api/health", "/api/ready"):
        found = {requests.get(narrow.url + path, timeout=10).status_code for _ in range(LIMIT + 3)}
        assert found == {200}


def test_a_stranger_is_told_so_and_not_counted_as_somebody(narrow: LiveServer) -> None:
    for _ in range(LIMIT + 2):
        reply = requests.get(f"{narrow.url}/api/profile", headers={"Authorization": "Bearer x"}, timeout=10)
        assert reply.status_code == 401
