"""A wire between browser and server that a test can cut: a plain TCP relay."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Wire:
    """port: where the browser connects. The page behind it is that of the server at `to`."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._down = False
        #: Bytes of requests to which so many replies get lost: their first bytes cut the wire.
        self.loses = b""
        self.losses = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection, and refuse new ones until `mend`."""
        self._down = True
        self._break()

    def mend(self) -> None:
        self._down = False

    def close(self) -> None:
        self._listener.close()
        self._break()

    def _break(self) -> None:
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            self._open.clear()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._down:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._to))
                with self._lock:
                    self._open |= {client, server}
                marked = threading.Event()
                threading.Thread(target=self._relay, args=(client, server, marked, True), daemon=True).start()
                threading.Thread(target=self._relay, args=(server, client, marked, False), daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, marked: threading.Event, asking: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if asking and self.losses and self.loses in data:
                    marked.set()
                elif not asking and marked.is_set():
                    self.losses -= 1
                    break
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
