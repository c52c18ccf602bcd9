"""Calls without a token where ANONYMOUS_ACCESS lets them in: guests share limits, not data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.journeys.server import LiveServer


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with LiveServer(tmp_path_factory.mktemp("guests"), {"ANONYMOUS_ACCESS": "true"}) as server:
        yield server


def ask(server: LiveServer, path: str, **fields: Any) -> requests.Response:
    """At the short door's two ways to ask."""
    if path == "/infer":
        form = {name: (None, value) for name, value in fields.items()}
        return requests.post(f"{server.url}/infer", files=form, headers={"Accept": "application/json"}, timeout=20)
    return requests.post(f"{server.url}/chat", json=fields, timeout=20)


@pytest.mark.parametrize("path", ["/chat", "/infer"])
def test_fault_1_05_a_guest_begins_no_session_under_a_name_of_its_own(server: LiveServer, path: str) -> None:
    refused = ask(server, path, prompt="Hello", session_id="monday")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_found")
    assert refused.json()["error"]["details"]["field"] == "session_id"
    assert requests.get(f"{server.url}/history/monday", timeout=20).status_code == 404


@pytest.mark.parametrize("path", ["/chat", "/infer"])
def test_a_guest_goes_on_with_the_session_that_it_was_given(server: LiveServer, path: str) -> None:
    name = ask(server, path, prompt="Hello").json()["session_id"]
    assert ask(server, path, prompt="And again", session_id=name).status_code == 200
    history = requests.get(f"{server.url}/history/{name}", timeout=20).json()["history"]
    assert [said["prompt"] for said in history] == ["Hello", "And again"]


def test_a_session_that_is_not_there_is_told_by_the_short_doors_word(server: LiveServer) -> None:
    missing = requests.get(f"{server.url}/history/nobodys", timeout=20)
    assert (missing.status_code, missing.json()["error"]["details"]) == (404, {"field": "session_id"})
