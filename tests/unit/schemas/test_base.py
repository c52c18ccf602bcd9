"""Shared shapes are strict: nothing is taken for what it only looks like, and a fault names its field."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError, fields

from app.domain.errors import InvalidRequest
from app.schemas.base import (
    Choice,
    Flag,
    Moment,
    QueryWhole,
    Schema,
    Text,
    Usd,
    Whole,
    decode_cursor,
    encode_cursor,
)
from app.schemas.validation import invalid


class Variable(Schema):
    name = Text(required=True, least=1, most=10)


class Sample(Schema):
    text = Text(most=10)
    secret = Text(nul_ok=True)
    kind = Choice("day", "month")
    count = Whole(least=1, most=10)
    on = Flag()
    amount = Usd()
    at = Moment()
    gone = Text(allow_none=True)
    variables = fields.List(fields.Nested(Variable))


def loaded(**data: Any) -> Any:
    return Sample().load(data)


def fault(**data: Any) -> InvalidRequest:
    with pytest.raises(ValidationError) as caught:
        Sample().load(data)
    return invalid({"json": caught.value.messages})


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("text", [5, True, [], {}, "x" * 11, "a\0", "\ud800", b"x"]),
        ("secret", [5, "\ud800"]),
        ("kind", ["year", "", 1, "Day"]),
        ("count", [0, 11, True, "5", 5.0, 1.5, NAN, 2**70, []]),
        ("on", [0, 1, "true", "yes", "", []]),
        ("amount", [-1, 9_000_001, "5", True, NAN, INF, {}]),
        ("at", ["2026-11-21", "2026-11-21T13:00:00", "now", 5, True, "9999-12-31T23:59:59-23:59", ""]),
    ],
)
def test_what_only_looks_like_it_is_refused_by_name(name: str, values: list[Any]) -> None:
    for value in values:
        assert fault(**{name: value}).field == name, value


def test_sound_values_come_through() -> None:
    assert loaded(
        text="é🌲", secret="a\0b", kind="day", count=10, on=False, amount=0.1, at="2026-11-21T15:00:00+02:00"
    ) | {"at": None} == {
        "text": "é🌲",
        "secret": "a\0b",
        "kind": "day",
        "count": 10,
        "on": False,
        "amount": Decimal("0.1"),
        "at": None,
    }
    assert loaded(at="2026-11-21T15:00:00+02:00")["at"].isoformat() == "2026-11-21T13:00:00+00:00"


def test_null_is_absent_but_where_it_says_something() -> None:
    assert loaded(text=None, count=None, gone=None) == {"gone": None}


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"variables": [{"name": "a"}, {"name": ""}]}, "variables[1].name"),
        ({"variables": [{}]}, "variables[0].name"),
        ({"variables": [{"name": None}]}, "variables[0].name"),
        ({"variables": [{"name": "a", "x": 1}]}, "variables[0].x"),
        ({"variables": {"name": "a"}}, "variables"),
        ({"nonsense": 1}, "nonsense"),
        ({"a\nb": 1}, "a?b"),
    ],
)
def test_a_fault_names_its_field_as_a_path(data: dict[str, Any], field: str) -> None:
    assert fault(**data).field == field


@pytest.mark.parametrize("value", ["0", "101", "-1", "", "1e1", "٣", "9" * 30, " 5", "5.0", None, 5])
def test_a_number_in_a_query_is_plain_digits_within_its_range(value: Any) -> None:
    with pytest.raises(ValidationError):
        QueryWhole(least=1, most=100).deserialize(value)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=1, max_size=3))
def test_a_cursor_comes_back_as_it_went(parts: list[str]) -> None:
    assert decode_cursor(encode_cursor(*parts), len(parts)) == tuple(parts)


@given(st.text())
def test_any_other_cursor_is_400_naming_it(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_cursor(text, 2)
    assert caught.value.field == "cursor"
