"""What the Redis tests share: a real server where there is one, the embedded one, and servers that misbehave."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent import socket
from gevent.server import StreamServer

from app.domain.errors import Unavailable
from app.stores.embedded import EmbeddedRedis
from app.stores.group_trip import GroupTrip
from app.stores.scripts import ScriptRunner

REDIS_URL = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/15")
KINDS = ("redis", "embedded")


def real_redis(timeout: float = 2.0) -> GroupTrip:
    """A patient runner on the real server. Without one: a failure where services are owed, else a skip."""
    trip = GroupTrip(REDIS_URL, timeout)
    try:
        trip.command("PING")
    except Unavailable as fault:
        if os.environ.get("CI") == "true" or os.environ.get("REQUIRE_SERVICES") == "1":
            pytest.fail(f"no Redis at TEST_REDIS_URL: {fault.message}")
        pytest.skip(f"no Redis at TEST_REDIS_URL: {fault.message}")
    return trip


def runner_of(kind: str) -> ScriptRunner:
    return real_redis() if kind == "redis" else EmbeddedRedis()


class StandIn:
    """A TCP server in front of Redis, or instead of it: `serve(sock)` says how it treats each connection."""

    def __init__(self, serve: Callable[[Any], None], **tls: Any) -> None:
        self.connections = 0
        self._serve = serve
        self._server = StreamServer(("127.0.0.1", 0), self._handle, **tls)
        self._server.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._server.server_port}/0"

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    def treat(self, serve: Callable[[Any], None]) -> None:
        """From the next connection on."""
        self._serve = serve

    def stop(self) -> None:
        self._server.stop(timeout=0)

    def _handle(self, sock: Any, _address: Any) -> None:
        self.connections += 1
        try:
            self._serve(sock)
        except OSError:
            pass
        finally:
            sock.close()


def black_hole(sock: Any) -> None:
    """Takes all that is sent and says nothing."""
    while sock.recv(65536):
        pass


def answering(*replies: bytes, then: Callable[[Any], None] = black_hole) -> Callable[[Any], None]:
    """One canned reply for whatever arrives, in turn; the first one meets the PING of the greeting."""

    def serve(sock: Any) -> None:
        for reply in replies:
            if not sock.recv(65536):
                return
            sock.sendall(reply)
        then(sock)

    return serve


def always(reply: bytes) -> Callable[[Any], None]:
    def serve(sock: Any) -> None:
        sock.recv(65536)
        sock.sendall(b"+PONG\r\n")
        while sock.recv(65536):
            sock.sendall(reply)

    return serve


def relay(delay: float = 0.0) -> Callable[[Any], None]:
    """To the real server and back, each reply `delay` seconds late."""
    host, _, port = REDIS_URL.split("@")[-1].removeprefix("redis://").partition("/")[0].partition(":")

    def serve(sock: Any) -> None:
        with socket.create_connection((host, int(port or 6379))) as upstream:
            back = gevent.spawn(_copy, upstream, sock, delay)
            try:
                _copy(sock, upstream, 0.0)
            finally:
                back.kill()

    return serve


def _copy(source: Any, target: Any, delay: float) -> None:
    while data := source.recv(65536):
        gevent.sleep(delay)
        target.sendall(data)


def reset(sock: Any) -> None:
    """Close with RST, as a crashed server or a firewall does."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    sock.close()


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for a condition; the test fails where it does not come."""
    with gevent.Timeout(seconds, AssertionError("it never came")):
        while not condition():
            gevent.sleep(0.005)
