"""What every test of the transport uses: upstreams that end with the test, a transport, and how to ask it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import gevent
import pytest

from app.domain.errors import ProviderFault
from app.transport.http import HttpRequest
from app.transport.pooled import PooledTransport
from app.transport.resolver import Resolver
from app.utils.cancel import Cancel
from app.utils.patience import Patience
from tests.unit.transport.hostile import Script, Upstream

Start = Callable[..., Upstream]
TOO_LONG = 20.0
AT_ONCE = 0.4  # as quick as a busy machine lets a greenlet be


@dataclass
class Outcome:
    """How one call ended: an answer or a fault, and after how many seconds."""

    status: int = 0
    body: bytes = b""
    fault: ProviderFault | None = None
    seconds: float = 0.0
    ticks: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str | None:
        return self.fault and self.fault.kind


def patience(*, first: float = 2.0, stall: float = 2.0, total: float = 10.0, tick: float = 15.0) -> Patience:
    return Patience(deadline=time.monotonic() + total, first=first, stall=stall, tick=tick)


def ask(
    transport: PooledTransport,
    url: str,
    body: bytes = b"{}",
    *,
    waits: Patience | None = None,
    cancel: Cancel | None = None,
    hear: Callable[[bytes], object] = lambda _: None,
) -> Outcome:
    """One whole call, its body read block by block."""
    waits = waits or patience()
    outcome = Outcome()
    began = time.monotonic()
    try:
        reply = transport.send(
            HttpRequest("POST", url, {"authorization": "Bearer key"}, body), waits, cancel or Cancel()
        )
        outcome.status, outcome.headers = reply.status, dict(reply.headers)
        try:
            for block in reply.blocks():
                outcome.ticks += not block
                outcome.body += block
                hear(block)
        finally:
            reply.close()
    except ProviderFault as fault:
        outcome.fault = fault
    outcome.seconds = time.monotonic() - began
    return outcome


def local_names(*_: Any) -> list[Any]:
    """Every name is this machine's."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", _[1]))]


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def wait_for(condition: Callable[[], bool], seconds: float = 2.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        gevent.sleep(0.005)
    return True


@pytest.fixture(autouse=True)
def within_time() -> Iterator[None]:
    """A wait that has no end is a failure of one test, not of the run."""
    with gevent.Timeout(TOO_LONG):
        yield


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Upstream] = []

    def run(*scripts: Script, **options: Any) -> Upstream:
        running.append(Upstream(*scripts, **options))
        return running[-1]

    yield run
    for upstream in running:
        upstream.stop()


@pytest.fixture
def transport() -> Iterator[PooledTransport]:
    """Two places, so that a call that loses one is soon found out."""
    made = PooledTransport(connect_timeout=1.0, pool_size=2, resolver=Resolver(getaddrinfo=local_names))
    yield made
    made.close()
