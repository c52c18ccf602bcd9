"""An upstream that says any bytes at any moment, and remembers what was done to it.

gevent's servers, named as such: they run in the test's own loop whether or not the process is patched.
"""

from __future__ import annotations

import re
import ssl
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent
from gevent import socket
from gevent.event import Event
from gevent.server import StreamServer

Script = Callable[["Peer"], None]


class Gone(Exception):
    """The client closed the connection."""


class Peer:
    """One connection as the upstream has it. closed: set when the client's end is seen or we close."""

    def __init__(self, sock: Any) -> None:
        self.requests: list[bytes] = []
        self.closed = Event()
        self.sock = sock
        self._buffer = b""

    def request(self) -> bytes:
        """Read one whole request. Raises Gone."""
        while not (head := re.match(rb".*?\r\n\r\n", self._buffer, re.DOTALL)):
            self._more()
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head[0])
        size = head.end() + (int(length[1]) if length else 0)
        while len(self._buffer) < size:
            self._more()
        whole, self._buffer = self._buffer[:size], self._buffer[size:]
        self.requests.append(whole)
        return whole

    def say(self, *parts: bytes, pause: float = 0.0) -> None:
        """Send each part by itself. Raises Gone."""
        for part in parts:
            try:
                self.sock.sendall(part)
            except OSError:
                self.closed.set()
                raise Gone from None
            gevent.sleep(pause)

    def close(self) -> None:
        self.sock.close()
        self.closed.set()

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def wait_until_closed(self) -> None:
        with suppress(Gone):
            while True:
                self._buffer = b""
                self._more()

    def _more(self) -> None:
        try:
            data = self.sock.recv(65_536)
        except OSError:
            data = b""
        if not data:
            self.closed.set()
            raise Gone
        self._buffer += data


class Upstream:
    """A listener on a port of its own. The nth connection is served by the nth script, the last one serves the rest."""

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None) -> None:
        self.peers: list[Peer] = []
        self._scripts = scripts
        self._tls = tls
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.port: int = self._server.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/chat"

    def named(self, host: str, scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}/v1/chat"

    @property
    def requests(self) -> list[bytes]:
        return [request for peer in self.peers for request in peer.requests]

    def stop(self) -> None:
        self._server.stop(timeout=0)
        for peer in self.peers:
            peer.close()

    def stop_listening(self) -> None:
        """Refuse what comes; connections that stand go on."""
        self._server.close()

    def saw_the_end(self, within: float = 1.0) -> bool:
        """Whether every connection was closed by the client in time."""
        return all(peer.closed.wait(within) for peer in self.peers)

    def _serve(self, sock: Any, _: object) -> None:
        script = self._scripts[min(len(self.peers), len(self._scripts) - 1)]
        peer = Peer(sock)
        self.peers.append(peer)
        if self._tls is not None:
            try:
                peer.sock = self._tls.wrap_socket(sock, server_side=True)
            except OSError:
                peer.close()
                return
        with suppress(Gone):
            script(peer)
            peer.wait_until_closed()


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    lines = (b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LAST = b"0\r\n\r\n"


def says(*parts: bytes, pause: float = 0.0) -> Script:
    """Answers every request with these parts."""

    def script(peer: Peer) -> None:
        while True:
            peer.request()
            peer.say(*parts, pause=pause)

    return script


def says_and_closes(*parts: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.request()
        peer.say(*parts)
        peer.close()

    return script


def says_and_resets(*parts: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.request()
        peer.say(*parts, pause=0.02)
        peer.reset()

    return script


def silent(peer: Peer) -> None:
    peer.wait_until_closed()
