"""The shapes that all doors but the hot ones are read and written with.

A field that is not known is refused, `true` is not 1, `"5"` is not 5, and null in an optional field means
that it is absent (a field where null says something declares `allow_none`).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import orjson
from flask import Response
from marshmallow import RAISE, ValidationError, fields, pre_load, validate
from marshmallow import Schema as MarshmallowSchema

from app.domain.errors import InvalidRequest
from app.utils.clock import rfc3339

MAX_BUDGET_USD = 9_000_000
Item = TypeVar("Item")
_UNTEXT = re.compile("[\0\ud800-\udfff]")


def _as_list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


class Schema(MarshmallowSchema):
    """Base of every schema."""

    class Meta:
        unknown = RAISE

    @pre_load
    def _null_is_absent(self, data: Any, **_: Any) -> Any:
        if not isinstance(data, Mapping) or None not in data.values():
            return data
        return {name: value for name, value in data.items() if value is not None or self._takes_null(name)}

    def _takes_null(self, name: str) -> bool:
        field = self.fields.get(name)
        return field is None or bool(field.allow_none)


class Text(fields.String):
    """Text without NUL and lone surrogates, which no store and no provider takes.

    least, most: its length in characters. nul_ok: a password, where NUL is a character as any other.
    """

    def __init__(self, *, least: int = 0, most: int | None = None, nul_ok: bool = False, **rest: Any) -> None:
        checks = [*_as_list(rest.pop("validate", None)), validate.Length(min=least or None, max=most)]
        super().__init__(validate=checks, **rest)
        self._nul_ok = nul_ok

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) is not str:
            raise self.make_error("invalid")
        found = _UNTEXT.search(value)
        if found is not None and not (self._nul_ok and found.group() == "\0"):
            raise ValidationError("NUL and lone surrogates are no text.")
        return value


class Choice(Text):
    """One of these words."""

    def __init__(self, *choices: str, **rest: Any) -> None:
        super().__init__(validate=validate.OneOf(choices), **rest)


class Whole(fields.Integer):
    """A JSON integer; neither true, nor "5", nor 5.0."""

    def __init__(self, *, least: int | None = None, most: int | None = None, **rest: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(min=least, max=most), **rest)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            raise self.make_error("invalid")
        return value


class QueryWhole(fields.Integer):
    """An integer of at most 18 ASCII digits in a query or a path."""

    def __init__(self, *, least: int, most: int, **rest: Any) -> None:
        super().__init__(validate=validate.Range(min=least, max=most), **rest)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise self.make_error("invalid")
        return int(value)


class Flag(fields.Boolean):
    """true or false, nothing that looks like them."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if type(value) is not bool:
            raise self.make_error("invalid", input=value)
        return value


class Usd(fields.Field[Decimal]):
    """Money as a JSON number of USD, 0 to 9,000,000; Decimal inside, exact to the nano."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if type(value) not in (int, float) or not 0 <= value <= MAX_BUDGET_USD:
            raise ValidationError(f"Must be a number of USD from 0 to {MAX_BUDGET_USD}.")
        return Decimal(str(value))


class Moment(fields.DateTime):
    """An instant as RFC 3339 with its offset; UTC inside."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(format="iso", **rest)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if not isinstance(value, str):
            raise self.make_error("invalid", input=value, obj_type="datetime")
        moment = super()._deserialize(value, attr, data, **kwargs)
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise ValidationError("Must be a date and time with its offset, as 2026-11-21T13:00:00Z.")
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            raise self.make_error("invalid", input=value, obj_type="datetime") from None

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else rfc3339(value)


class ListQuery(Schema):
    """What every list at the app door takes."""

    limit = QueryWhole(least=1, most=100, load_default=20, metadata={"description": "Items at most."})
    cursor = Text(most=500, metadata={"description": "`next_cursor` of the list's page before this one."})


def page_of(items: Schema, name: str) -> type[MarshmallowSchema]:
    """The schema of a list's reply: `data` with `items` and `next_cursor`."""
    data = Schema.from_dict(
        {
            "items": fields.List(fields.Nested(items), required=True),
            "next_cursor": fields.String(allow_none=True, required=True),
        },
        name=f"{name}Page",
    )
    return enveloped(data(), f"{name}List")


def enveloped(data: MarshmallowSchema, name: str) -> type[MarshmallowSchema]:
    """The app door's envelope around `data`."""
    shape = {
        "status": fields.String(required=True, validate=validate.Equal("success")),
        "data": fields.Nested(data, required=True),
    }
    return Schema.from_dict(shape, name=name)


def success(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A reply of the app door."""
    return json_reply({"status": "success", "data": data}, status, headers)


def json_reply(payload: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON reply without an envelope: the short and the OpenAI door."""
    return Response(orjson.dumps(payload), status, headers, content_type="application/json")


def empty() -> Response:
    """204."""
    return Response(status=204)


def place(query: Mapping[str, Any]) -> str | None:
    """The id after which the page begins that a ListQuery asks for. Raises InvalidRequest."""
    return decode_cursor(query["cursor"], 1)[0] if "cursor" in query else None


def paged(
    found: Sequence[Item], query: Mapping[str, Any], id_of: Callable[[Item], str], shown: Callable[[Item], Any]
) -> Response:
    """A page of a list. found: one item more than were asked for where there are more."""
    page = found[: query["limit"]]
    cursor = encode_cursor(id_of(page[-1])) if len(found) > len(page) else None
    return success({"items": [shown(item) for item in page], "next_cursor": cursor})


def encode_cursor(*parts: str) -> str:
    """A place in a list as one opaque word."""
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def decode_cursor(cursor: str, parts: int) -> tuple[str, ...]:
    """What `encode_cursor` was given. Raises InvalidRequest for a word that is not ours."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        found = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (UnicodeEncodeError, binascii.Error, orjson.JSONDecodeError):
        found = None
    if not isinstance(found, list) or len(found) != parts or not all(isinstance(part, str) for part in found):
        raise InvalidRequest("cursor is not one of ours", field="cursor")
    if any("\0" in part for part in found):
        raise InvalidRequest("cursor is not one of ours", field="cursor")
    return tuple(found)
