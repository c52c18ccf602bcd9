"""Bytes to a server as they are written, for what no HTTP library would send."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """status: 0 where the connection ended without a reply. closed: the server ended the connection."""

    status: int
    headers: dict[str, str]
    body: bytes
    closed: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code, at whichever door."""
        code: str = self.json["error"]["code"]
        return code


class Wire:
    """One connection."""

    def __init__(self, port: int, timeout: float = 15.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout)

    def send(self, *pieces: bytes) -> Wire:
        for piece in pieces:
            self._socket.sendall(piece)
        return self

    def finish(self) -> Wire:
        """End our side: nothing more will come."""
        self._socket.shutdown(socket.SHUT_WR)
        return self

    def answer(self) -> Answer:
        """The next reply, read to its end, and whether the connection ended with it."""
        raw = b""
        while b"\r\n\r\n" not in raw:
            piece = self._socket.recv(65536)
            if not piece:
                return Answer(0, {}, raw, closed=True)
            raw += piece
        head, _, body = raw.partition(b"\r\n\r\n")
        first, *fields = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
        length = int(headers.get("content-length", 0))
        while len(body) < length:
            body += self._socket.recv(65536)
        status = int(first.split()[1])
        return Answer(status, headers, body, closed=headers.get("connection") == "close" and self._ended())

    def _ended(self) -> bool:
        return self._socket.recv(1) == b""

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def ask(port: int, *pieces: bytes, finish: bool = False, timeout: float = 15.0) -> Answer:
    """Send these bytes on a connection of their own and take what comes back."""
    with Wire(port, timeout) as wire:
        wire.send(*pieces)
        return (wire.finish() if finish else wire).answer()
