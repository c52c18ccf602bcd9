"""Values that one engine would store and the other refuse are refused on both."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from sqlalchemy import Engine, event

from app.domain.errors import InvalidRequest

_LARGEST = 2**63 - 1
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def refuse_unstorable(engine: Engine) -> None:
    """Check every bound value of every statement of this engine; what it refuses raises InvalidRequest."""

    @event.listens_for(engine, "before_cursor_execute")
    def check(conn: object, cursor: object, statement: str, parameters: Any, context: object, many: bool) -> None:
        for row in parameters if many else (parameters,):
            _check_all(row.values() if isinstance(row, Mapping) else row)


def check_text(text: str) -> None:
    """Raises InvalidRequest for a NUL (SQLite keeps it, PostgreSQL does not) and for half a surrogate pair."""
    if "\x00" in text:
        raise InvalidRequest("A text holds a NUL character.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidRequest("A text holds half a surrogate pair.") from None


def json_text(value: object) -> str:
    """JSON as both engines keep it: no NUL, no half surrogates, no integer past 64 bits."""
    try:
        text = orjson.dumps(value).decode()
    except TypeError as fault:
        raise InvalidRequest("A value cannot be stored as JSON.") from fault
    if "\\u0000" in text and _ESCAPED_NUL.search(text):
        raise InvalidRequest("A text holds a NUL character.")
    return text


def _check_all(values: Iterable[object]) -> None:
    for value in values:
        if isinstance(value, str):
            check_text(value)
        elif isinstance(value, int):
            if not -_LARGEST - 1 <= value <= _LARGEST:
                raise InvalidRequest("A number is larger than 2^63.")
        elif isinstance(value, float) and value != value:
            raise InvalidRequest("A number is NaN.")
