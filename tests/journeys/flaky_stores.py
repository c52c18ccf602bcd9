"""Stores that can be taken away: a TCP server before PostgreSQL, and a Redis of one's own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import redis

from tests.journeys.gateway import soon
from tests.journeys.real_stores import owed
from tests.journeys.server import free_port


class Gate:
    """Stands before a server at its own port. `shut`: refuses and hangs up; `silence`: takes all, answers nothing."""

    def __init__(self, url: str, default_port: int) -> None:
        parts = urlsplit(url)
        self._target = (parts.hostname or "127.0.0.1", parts.port or default_port)
        self.port = free_port()
        user = f"{parts.username}@" if parts.username else ""
        self.url = urlunsplit(parts._replace(netloc=f"{user}127.0.0.1:{self.port}"))
        self._flowing = threading.Event()
        self._pairs: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.open()

    def open(self) -> None:
        """Let everything through, also what waited in a silence."""
        self._flowing.set()
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
            threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for peer in self._pairs:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
        self._pairs = []
        self._flowing.set()

    def silence(self) -> None:
        self._flowing.clear()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            self._pairs += [client, server]
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self._flowing.wait()
                sink.sendall(data)
        for peer in (source, sink):
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)


class OwnRedis:
    """A Redis that keeps nothing: each start finds it empty."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client = redis.Redis.from_url(self.url, protocol=2)
        soon(lambda: _answers(client), 5, "Redis does not start")
        client.close()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(5)
            self._process = None


@contextmanager
def flaky_redis() -> Iterator[OwnRedis]:
    if shutil.which("redis-server") is None:
        owed("no redis-server to start")
    own = OwnRedis()
    own.start()
    try:
        yield own
    finally:
        own.stop()


def spooled(folder: Path) -> int:
    """Lines that wait for the database."""
    found = 0
    for path in (folder / "instance" / "spool").glob("*.spool"):
        with suppress(FileNotFoundError):
            found += len(path.read_bytes().splitlines())
    return found


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
