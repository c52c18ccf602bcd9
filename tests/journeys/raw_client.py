"""An HTTP client that does what the good ones do not: reads slowly, half-closes, resets, says too much."""

from __future__ import annotations

import json
import socket
import struct
import time
from types import TracebackType
from typing import Any, Self

from tests.journeys.gateway import Gateway


class RawClient:
    """One connection with one POST on it. receive_buffer: bytes that the kernel takes ahead for us."""

    def __init__(
        self,
        gateway: Gateway,
        path: str,
        body: dict[str, Any],
        *,
        headers: dict[str, str] | None = None,
        version: str = "1.1",
        receive_buffer: int | None = None,
    ) -> None:
        self.socket = socket.socket()
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(10)
        self.socket.connect(("127.0.0.1", gateway.port))
        self.heard = b""
        self._key = gateway.key
        self.send(self.request(path, body, headers, version))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def request(
        self, path: str, body: dict[str, Any], headers: dict[str, str] | None = None, version: str = "1.1"
    ) -> bytes:
        data = json.dumps(body).encode()
        all_headers = {
            "Host": "localhost",
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
        } | (headers or {})
        lines = [f"POST {path} HTTP/{version}", *(f"{name}: {value}" for name, value in all_headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + data

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_until(self, mark: bytes, seconds: float = 5.0) -> bytes:
        """All that was heard up to now, once it holds the mark."""
        end = time.monotonic() + seconds
        while mark not in self.heard:
            self.socket.settimeout(max(0.01, end - time.monotonic()))
            got = self.socket.recv(65_536)
            assert got, f"the end before {mark!r}: {self.heard!r}"
            self.heard += got
        return self.heard

    def read_reply(self, seconds: float = 5.0) -> bytes:
        """All that was heard, once a chunked reply has ended."""
        return self.read_until(b"\r\n0\r\n\r\n", seconds)

    def read_to_end(self, seconds: float = 10.0) -> bytes:
        """All that is heard until the server closes; a reset counts as such an end."""
        self.socket.settimeout(seconds)
        try:
            while got := self.socket.recv(65_536):
                self.heard += got
        except ConnectionResetError:
            pass
        return self.heard

    @property
    def status(self) -> int:
        return int(self.heard.split(b" ", 2)[1])

    @property
    def headers(self) -> dict[str, str]:
        """Lower-cased names."""
        head = self.heard.partition(b"\r\n\r\n")[0].decode("latin-1")
        return {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
        }

    @property
    def prompt_id(self) -> str:
        return self.headers["x-request-id"]

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """FIN: what a client does that has ended."""
        self.socket.close()

    def reset(self) -> None:
        """RST: what is seen of a client that crashed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()
