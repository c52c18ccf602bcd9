"""Bodies over 1 MB share a fixed number of bytes while they are read and parsed; past it they are refused at once.

Without it twenty callers who send 10 MB each would hold 400 MB in a worker before one byte of it was looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.errors import Overloaded
from app.schemas.json_body import PARSED

if TYPE_CHECKING:
    from wsgiref.types import InputStream, WSGIEnvironment

BIG = 2**20
_DIGITS_OF_SMALL = 6


class BigBodies:
    """The bytes that are left for big bodies in this worker."""

    def __init__(self, bytes_at_once: int) -> None:
        self.left = bytes_at_once

    def measure(self, environ: WSGIEnvironment) -> MeasuredBody | None:
        """Let the request's body take its room as it is read; None where it says itself that it is small."""
        length = environ.get("CONTENT_LENGTH")
        if len(length) <= _DIGITS_OF_SMALL if length else "HTTP_TRANSFER_ENCODING" not in environ:
            return None
        body = MeasuredBody(environ["wsgi.input"], self)
        environ["wsgi.input"] = body
        environ[PARSED] = body.give_back
        return body


class MeasuredBody:
    """An input stream that takes room before it reads. Give it back once the body was parsed; twice does nothing."""

    __slots__ = ("_rooms", "_seen", "_stream", "_taken")

    def __init__(self, stream: InputStream, rooms: BigBodies) -> None:
        self._stream = stream
        self._rooms = rooms
        self._seen = 0
        self._taken = 0

    def read(self, size: int = -1) -> bytes:
        """Raises Overloaded where the room is used up."""
        if self._seen + size > BIG:
            self._take(self._seen + size - self._taken)
        data = self._stream.read(size)
        self._seen += len(data)
        return data

    def readline(self, size: int = -1) -> bytes:
        """For readers of forms, which take a line at a time and keep none."""
        return self._stream.readline(size)

    def give_back(self) -> None:
        self._rooms.left += self._taken
        self._taken = 0

    def _take(self, more: int) -> None:
        if more > self._rooms.left:
            raise Overloaded("too many large bodies are being read; try again shortly", retry_after=1)
        self._rooms.left -= more
        self._taken += more
