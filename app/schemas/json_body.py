"""The one reader of JSON bodies, strict and the same at every door.

`register(app, ...)` once; then `read_json()` inside a request. The order of its checks is its point: what a
body says about itself, its length, the number of things in it, and only then a parse. No size of body and no
nesting makes it slow: what could be large is counted in linear passes over bytes before an object is built.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
from flask.globals import request_ctx
from gunicorn.http.errors import ParseException

from app.domain.errors import InvalidRequest, TooLarge, UnsupportedMedia
from app.schemas import json_faults

if TYPE_CHECKING:
    from wsgiref.types import InputStream, WSGIEnvironment

    from flask import Flask

PARSED = "onedoor.body_parsed"
"""In the environ: called once the body was parsed, by whom its bytes are counted."""

MAX_DEPTH = 64
MAX_THINGS = 200_000
NO_FIELDS: frozenset[str] = frozenset()

_SEND_JSON = "send a JSON object as Content-Type: application/json, in UTF-8 and without Content-Encoding"
_NOT_MARKS = bytes(byte for byte in range(256) if byte not in b'"{[,')
_EXTENSION = "json_bodies"


def register(app: Flask, *, max_bytes: int) -> None:
    """Give the app its reader. max_bytes: MAX_BODY_MB in bytes."""
    app.extensions[_EXTENSION] = JsonBodies(max_bytes)


def read_json(nul_ok: frozenset[str] = NO_FIELDS) -> dict[str, Any]:
    """The present request's body as a dict of JSON values.

    nul_ok: top-level fields that may hold NUL (a password). Raises UnsupportedMedia, TooLarge and InvalidRequest,
    naming the field where there is one.
    """
    context = request_ctx._get_current_object()  # type: ignore[attr-defined]  # one look-up; each proxy costs its own
    bodies: JsonBodies = context.app.extensions[_EXTENSION]
    return bodies.read(context.request.environ, nul_ok)


class JsonBodies:
    """Reads bodies of at most `max_bytes`."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes

    def read(self, environ: WSGIEnvironment, nul_ok: frozenset[str] = NO_FIELDS) -> dict[str, Any]:
        check_media(environ)
        try:
            return parse_object(self._raw(environ), nul_ok)
        finally:
            if PARSED in environ:
                environ[PARSED]()

    def _raw(self, environ: WSGIEnvironment) -> bytes:
        declared = environ.get("CONTENT_LENGTH")
        if not declared:
            return self._chunked(environ)
        # Compared by digits first: int() of thousands of them is refused with an error of its own.
        if not (declared.isascii() and declared.isdigit()):
            raise InvalidRequest("Content-Length is not a number")
        if len(declared) > 15 or int(declared) > self._max_bytes:
            raise self._too_large()
        raw = _read(environ["wsgi.input"], int(declared))
        if len(raw) < int(declared):
            raise InvalidRequest("the body is shorter than its Content-Length")
        return raw

    def _chunked(self, environ: WSGIEnvironment) -> bytes:
        if "HTTP_TRANSFER_ENCODING" not in environ:
            return b""
        raw = _read(environ["wsgi.input"], self._max_bytes + 1)
        if len(raw) > self._max_bytes:
            raise self._too_large()
        return raw

    def _too_large(self) -> TooLarge:
        return TooLarge(
            f"the body is larger than {self._max_bytes} bytes",
            details={"reason": "size", "max_bytes": self._max_bytes},
        )


def check_media(environ: WSGIEnvironment) -> None:
    """Refuse what does not say that it is plain JSON in UTF-8: no byte of it is decoded."""
    if environ.get("CONTENT_TYPE") != "application/json":
        _check_content_type(environ.get("CONTENT_TYPE", ""))
    if "HTTP_CONTENT_ENCODING" in environ and environ["HTTP_CONTENT_ENCODING"].strip().lower() != "identity":
        raise UnsupportedMedia(f"a compressed body is not read here; {_SEND_JSON}")


def _check_content_type(content_type: str) -> None:
    media, *params = (part.strip().lower() for part in content_type.split(";"))
    if media != "application/json":
        raise UnsupportedMedia(f"the body is not marked as JSON; {_SEND_JSON}")
    for param in params:
        name, _, value = param.partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "utf8"):
            raise InvalidRequest(f"the body's charset is not UTF-8; {_SEND_JSON}")


def _read(stream: InputStream, size: int) -> bytes:
    try:
        return stream.read(size)
    except (ParseException, OSError) as broken:
        raise InvalidRequest("the body broke off or its framing is wrong") from broken


def parse_object(raw: bytes, nul_ok: frozenset[str] = NO_FIELDS) -> dict[str, Any]:
    """The JSON object in these bytes; of a name given twice the last one counts.

    Raises InvalidRequest for anything else: not UTF-8, NaN, numbers beyond a double, lone surrogates, NUL,
    nesting over 64, more than 200,000 things.
    """
    if len(raw) > MAX_THINGS and things(raw) > MAX_THINGS:
        raise InvalidRequest(f"the body holds more than {MAX_THINGS} objects, lists and values")
    value = _loads(raw)
    if type(value) is not dict:
        raise InvalidRequest("the body must be a JSON object")
    if _may_be_deep(raw):
        json_faults.refuse_depth(value, MAX_DEPTH)
    if b"\\" in raw and b"\\u0000" in raw:
        json_faults.refuse_nul(value, nul_ok)
    return value


def _may_be_deep(raw: bytes) -> bool:
    """Whether there are brackets enough to nest too deep.

    Where there are few, and a chat has few lists, `find` is five times as fast as `count`.
    """
    left, at = MAX_DEPTH - raw.count(b"{"), -1
    while left >= 0:
        at = raw.find(b"[", at + 1)
        if at < 0:
            return False
        left -= 1
    return True


def _loads(raw: bytes) -> Any:
    loads: Callable[[bytes], Any] = orjson.loads
    try:
        return loads(raw)
    except orjson.JSONDecodeError as error:
        if raw.startswith(b"\xef\xbb\xbf") and not raw.startswith(b"\xef\xbb\xbf", 3):
            return _loads(raw[3:])
        raise json_faults.explained(raw, error) from None


def things(raw: bytes) -> int:
    """How many of `{`, `[` and `,` stand outside strings, in linear time; exact only up to MAX_THINGS.

    Escapes are taken out first, so that each quote left is a string's end. `""` tells nothing and goes too:
    then any two quotes have a mark between them, and the loop ends after MAX_THINGS whatever comes.
    """
    if raw.count(b"{") + raw.count(b"[") + raw.count(b",") <= MAX_THINGS:
        return 0
    marks = raw.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NOT_MARKS).replace(b'""', b"")
    found, inside = 0, 0
    for start in range(0, len(marks), 65536):
        pieces = marks[start : start + 65536].split(b'"')
        found += sum(map(len, pieces[inside::2]))
        if found > MAX_THINGS:
            break
        inside ^= (len(pieces) - 1) & 1
    return found
