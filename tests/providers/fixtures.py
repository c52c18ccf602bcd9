"""Fixtures over the emulated providers; a suite takes them in by `from tests.providers.fixtures import *`."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["EmulatedProviders", "running_providers", "upstream", "upstream_process"]

ROOT = Path(__file__).resolve().parents[2]


class EmulatedProviders:
    """The emulated providers as a test sees them. url: without a slash at its end."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def behave(self, as_: str, *, model: str | None = None, key: str | None = None) -> None:
        """From now on that model (or key) does what these words say."""
        self._call("POST", "/__behave", {"as": as_, **({"key": key} if key else {"model": model})})

    def log(self) -> list[dict[str, Any]]:
        """Every request since the last `forget`, oldest first."""
        return self._call("GET", "/__log")  # type: ignore[no-any-return]

    def open_connections(self) -> int:
        return int(self._call("GET", "/__state")["open"])

    def forget(self) -> None:
        self._call("DELETE", "/__log")

    def wait_for(self, condition: Callable[[list[dict[str, Any]]], Any], seconds: float = 3.0) -> list[dict[str, Any]]:
        """The log as soon as it fulfils the condition; an AssertionError where it does not in time."""
        end = time.monotonic() + seconds
        while not condition(log := self.log()):
            assert time.monotonic() < end, f"the upstream saw only {log}"
            time.sleep(0.01)
        return log

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@contextmanager
def running_providers() -> Iterator[EmulatedProviders]:
    """The server in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.providers.upstream"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield EmulatedProviders(int(process.stdout.readline()))
    finally:
        process.stdin.close()
        process.wait(5)


@pytest.fixture(scope="session")
def upstream_process() -> Iterator[EmulatedProviders]:
    """The server, once a session."""
    with running_providers() as upstream:
        yield upstream


@pytest.fixture
def upstream(upstream_process: EmulatedProviders) -> EmulatedProviders:
    """The emulated providers with an empty log and no special behaviour."""
    upstream_process.forget()
    return upstream_process
