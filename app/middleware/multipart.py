"""Forms of several parts (RFC 7578) as they come in: bytes in, parts out, nothing read and nothing kept.

Werkzeug's decoder leaves a stray CR at the end of a part whose boundary is cut between two pieces (3.1.9, tried at
every cut), and takes bare CR and LF for line ends. This one is strict and linear.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from werkzeug.http import parse_options_header

from app.domain.errors import InvalidRequest

MOST_HEADERS: Final = 8 * 1024
"""Bytes of one part's headers."""
MOST_AROUND: Final = 64 * 1024
"""Bytes before the first boundary and after the last, which nobody reads."""
MOST_PADDING: Final = 64
"""Blanks between a boundary and the end of its line."""

_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"')
_NAMED_TWICE = re.compile(r"(?i);\s*filename\s*=.*;\s*filename\*|;\s*filename\*.*;\s*filename\s*=")
_PLAIN_CODINGS = ("", "7bit", "8bit", "binary")


@dataclass(frozen=True, slots=True)
class Part:
    """A part begins. filename: as the sender gave it; None for a field that is no file."""

    name: str
    filename: str | None


@dataclass(frozen=True, slots=True)
class Piece:
    """Some bytes of the part that began last. last: there are no more."""

    data: bytes
    last: bool


class MultipartReader:
    """One form. `feed` what comes and take the events; `end` once nothing more comes. Raises InvalidRequest."""

    def __init__(self, content_type: str) -> None:
        boundary = parse_options_header(content_type)[1].get("boundary", "")
        if not _BOUNDARY.fullmatch(boundary):
            raise InvalidRequest("The form names no boundary, or one that cannot be.", field="Content-Type")
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        # The first boundary may stand at the very beginning.
        self._buffer = bytearray(b"\r\n")
        self._step: Callable[[], tuple[Part | Piece | None, bool]] = self._before
        self._around = 0

    def feed(self, data: bytes) -> Iterator[Part | Piece]:
        """What these bytes say. Take all of it before the next ones."""
        self._buffer += data
        while True:
            event, more = self._step()
            if event is not None:
                yield event
            if not more:
                return

    def end(self) -> None:
        """Raises InvalidRequest where the form was not over."""
        if self._step != self._after:
            raise InvalidRequest("The form ends before its last boundary.", field="body")

    def _before(self) -> tuple[None, bool]:
        """Up to the first boundary. What stands before it is nobody's."""
        at, whole = self._delimited()
        self._around += at
        del self._buffer[:at]
        self._check_around()
        if whole:
            self._pass_boundary()
        return None, whole

    def _headers(self) -> tuple[Part | None, bool]:
        at = self._buffer.find(b"\r\n\r\n", 0, MOST_HEADERS)
        if at < 0:
            if len(self._buffer) >= MOST_HEADERS:
                raise InvalidRequest("A part of the form has headers without end.", field="body")
            return None, False
        head = bytes(self._buffer[:at])
        del self._buffer[: at + 4]
        self._step = self._content
        return _part(head), True

    def _content(self) -> tuple[Piece | None, bool]:
        at, whole = self._delimited()
        data = bytes(self._buffer[:at])
        del self._buffer[:at]
        if whole:
            self._pass_boundary()
            return Piece(data, last=True), True
        return (Piece(data, last=False) if data else None), False

    def _after(self) -> tuple[None, bool]:
        """Past the last boundary."""
        self._around += len(self._buffer)
        self._buffer.clear()
        self._check_around()
        return None, False

    def _delimited(self) -> tuple[int, bool]:
        """How many bytes stand before the next boundary, and whether that is whole; else how many surely do."""
        buffer, delimiter = self._buffer, self._delimiter
        at = buffer.find(delimiter)
        while at >= 0:
            end = self._line_end(at + len(delimiter))
            if end is None:
                return at, False
            if end > 0:
                return at, True
            at = buffer.find(delimiter, at + 2)
        return max(0, len(buffer) - len(delimiter) + 1), False

    def _line_end(self, start: int) -> int | None:
        """Where the line of a boundary ends, 0 where this is none; None where that is not known yet."""
        rest = bytes(self._buffer[start : start + MOST_PADDING + 2])
        if rest[:2] == b"--":
            return start + 2
        plain = rest.lstrip(b" \t")
        if plain[:2] == b"\r\n":
            return start + len(rest) - len(plain) + 2
        undecided = plain in (b"", b"\r") or rest == b"-"
        return None if undecided and len(rest) < MOST_PADDING + 2 else 0

    def _pass_boundary(self) -> None:
        """The buffer begins with a whole boundary."""
        start = len(self._delimiter)
        last = self._buffer[start : start + 2] == b"--"
        end = self._line_end(start)
        assert end
        del self._buffer[:end]
        self._step = self._after if last else self._headers

    def _check_around(self) -> None:
        if self._around > MOST_AROUND:
            raise InvalidRequest("There is too much before or after the parts of the form.", field="body")


def _part(head: bytes) -> Part:
    headers: dict[str, str] = {}
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, colon, value = line.partition(":")
        if not colon or name.lower() in headers:
            raise InvalidRequest("A part of the form has headers that cannot be read.", field="body")
        headers[name.lower()] = value.strip(" \t")
    disposition = headers.get("content-disposition", "")
    kind, options = parse_options_header(disposition)
    field = options.get("name")
    if kind != "form-data" or not field:
        raise InvalidRequest("A part of the form has no name.", field="body")
    if _NAMED_TWICE.search(_QUOTED.sub('""', disposition)):
        raise InvalidRequest(f"The file of {field!r} has two names.", field=field)
    if headers.get("content-type", "").lower().startswith("multipart/"):
        raise InvalidRequest(f"The part {field!r} is a form itself.", field=field)
    if headers.get("content-transfer-encoding", "").lower() not in _PLAIN_CODINGS:
        raise InvalidRequest(f"Send the part {field!r} as it is, without Content-Transfer-Encoding.", field=field)
    return Part(field, options.get("filename"))
