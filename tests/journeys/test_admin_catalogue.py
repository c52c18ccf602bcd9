"""Models and providers' keys that admins bring while the service runs."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.journeys.gateway import soon
from tests.journeys.real_stores import own_postgres, own_redis
from tests.journeys.server import LiveServer
from tests.journeys.test_admin import Admin
from tests.providers.fixtures import EmulatedProviders

PASSWORD = "Correct-horse-7"
KEY, OTHER = "sk-canary-first-0001", "sk-canary-other-0002"
SECRET, LATER = "kT2vq9Zp4Lw8Xr1Nc6Hd3Jf7Bs5Gm0Ya", "pR7cW3xE9uM1zQ5tV8nK2bL6hD4fS0gJ"


@pytest.fixture(scope="module", params=["embedded", "real"])
def house(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LiveServer, Admin]]:
    env = {"ADMIN_PASSWORD": PASSWORD, "RATE_LIMIT_PER_MINUTE": "10000", "ROUTES_PER_MINUTE": "10000"}
    folder = tmp_path_factory.mktemp(f"shelves-{request.param}")
    if request.param == "embedded":
        with LiveServer(folder, env) as server:
            yield server, signed_in(server)
        return
    with own_redis() as redis_url, own_postgres() as database_url:
        more = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "WEB_CONCURRENCY": "2"}
        with LiveServer(folder, env | more) as server:
            yield server, signed_in(server)


def signed_in(server: LiveServer) -> Admin:
    body = {"username": "admin", "password": PASSWORD}
    reply = requests.post(f"{server.url}/api/auth/login", json=body, timeout=20)
    assert reply.status_code == 200, reply.text
    return Admin(server.url, reply.json()["data"]["access_token"])


def wish(upstream: EmulatedProviders, **fields: Any) -> dict[str, Any]:
    name = f"m-{uuid.uuid4().hex[:8]}"
    return {"name": name, "provider": f"corp{name[2:]}", "base_url": f"{upstream.url}/openai/v1", **fields}


def asked(server: LiveServer, admin: Admin, model: str) -> requests.Response:
    """One chat over a connection of its own, which lands on any worker."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
    headers = admin.headers | {"Connection": "close"}
    return requests.post(f"{server.url}/v1/chat/completions", json=body, headers=headers, timeout=20)


def keys_used(upstream: EmulatedProviders) -> set[str]:
    return {entry["headers"].get("authorization", "").removeprefix("Bearer ") for entry in upstream.log()}


def test_a_model_added_at_run_time_serves_on_every_worker(
    house: tuple[LiveServer, Admin], upstream: EmulatedProviders
) -> None:
    server, admin = house
    made = admin.data("POST", "/models", wish(upstream, api_key=KEY, price_input=1, price_output=2))
    assert (made["available"], made["price"]) == (True, {"input": 1.0, "output": 2.0})
    assert [asked(server, admin, made["name"]).status_code for _ in range(8)] == [200] * 8
    assert keys_used(upstream) == {KEY}
    assert admin.data("POST", f"/models/{made['id']}/test")["ok"] is True
    admin.data("PATCH", f"/models/{made['id']}", {"active": False})

    def gone() -> bool:
        # Another model may answer in its place, as after any failure.
        return made["name"] not in {asked(server, admin, made["name"]).headers.get("x-model") for _ in range(4)}

    soon(gone, 1.5, "it still answers")
    assert admin.call("DELETE", f"/models/{made['id']}").status_code == 204
    assert admin.call("GET", f"/models/{made['id']}").status_code == 404


def test_a_stored_key_joins_the_pool_and_leaves_it(
    house: tuple[LiveServer, Admin], upstream: EmulatedProviders
) -> None:
    server, admin = house
    body = wish(upstream, api_key=KEY)
    made = admin.data("POST", "/models", body)
    stored = admin.data("POST", "/provider-keys", {"provider": body["provider"], "key": OTHER})
    assert stored["key"] == "…0002"

    def both() -> bool:
        asked(server, admin, made["name"])
        return keys_used(upstream) >= {KEY, OTHER}

    soon(both, 3, "the new key is not used")
    assert admin.call("DELETE", f"/provider-keys/{stored['id']}").status_code == 204

    def one() -> bool:
        upstream.forget()
        served = [asked(server, admin, made["name"]).ok for _ in range(6)]
        return all(served) and keys_used(upstream) == {KEY}

    soon(one, 3, "the deleted key is still used")


def test_a_model_whose_test_fails_is_not_stored(house: tuple[LiveServer, Admin], upstream: EmulatedProviders) -> None:
    _, admin = house
    body = wish(upstream, api_key="bad-key")
    failed = admin.call("POST", "/models", body)
    assert (failed.status_code, failed.json()["error"]["details"]["reason"]) == (500, "key_rejected")
    assert admin.call("GET", f"/models/{body['provider']}/{body['name']}").status_code == 404
    assert admin.call("POST", "/models", body | {"verify": False}).status_code == 201


def test_fault_8_14_a_stored_key_goes_to_no_new_address(
    house: tuple[LiveServer, Admin], upstream: EmulatedProviders
) -> None:
    _, admin = house
    made = admin.data("POST", "/models", wish(upstream, api_key=KEY, verify=False))
    moved = {"base_url": "http://127.0.0.1:9/v1"}
    reply = admin.call("PATCH", f"/models/{made['id']}", moved)
    assert (reply.status_code, reply.json()["error"]["details"]["field"]) == (400, "api_key")
    assert admin.data("GET", f"/models/{made['id']}")["base_url"] == made["base_url"]
    assert admin.data("PATCH", f"/models/{made['id']}", moved | {"api_key": OTHER})["base_url"] == moved["base_url"]


@pytest.mark.parametrize("host", ["169.254.169.254", "metadata.google.internal", "[fd00:ec2::254]", "0xa9fea9fe"])
def test_fault_8_6_metadata_is_no_base_url(host: str, house: tuple[LiveServer, Admin]) -> None:
    _, admin = house
    body = {"name": "m", "provider": "cloud", "base_url": f"http://{host}/v1", "verify": False}
    reply = admin.call("POST", "/models", body)
    assert (reply.status_code, reply.json()["error"]["details"]["field"]) == (400, "base_url")


def test_no_reply_shows_a_stored_key(house: tuple[LiveServer, Admin], upstream: EmulatedProviders) -> None:
    _, admin = house
    made = admin.call("POST", "/models", wish(upstream, api_key=KEY, verify=False))
    stored = admin.call("POST", "/provider-keys", {"provider": "groq", "key": OTHER})
    assert admin.call("PATCH", f"/provider-keys/{stored.json()['data']['id']}", {"key": KEY}).status_code == 200
    shown = [made.text, stored.text] + [
        admin.call("GET", path).text for path in ("/provider-keys", "/models", "/audit")
    ]
    for text in shown:
        assert KEY not in text
        assert OTHER not in text


def test_fault_6_9_keys_sealed_with_another_secret_are_listed_so_and_the_service_runs(tmp_path: Path) -> None:
    env = {"ADMIN_PASSWORD": PASSWORD, "SECRET_KEY": SECRET}
    with LiveServer(tmp_path, env) as server:
        signed_in(server).data("POST", "/provider-keys", {"provider": "groq", "key": KEY})
        assert KEY.encode() not in (tmp_path / "instance" / "app.db").read_bytes()
    for more, readable in (
        ({"SECRET_KEY": LATER}, False),
        ({"SECRET_KEY": LATER, "SECRET_KEY_PREVIOUS": SECRET}, True),
    ):
        with LiveServer(tmp_path, env | more) as server:
            admin = signed_in(server)
            (row,) = admin.data("GET", "/provider-keys")["items"]
            assert (row["readable"], row["key"]) == (readable, "…0001")
            assert asked(server, admin, "demo").status_code == 200
            assert KEY not in server.output()
