"""Checks of a JSON body's fields, by hand: the hot routes have no time for a schema library (docs/decisions.md).

Each takes the body and a field's name, treats null as absent and raises InvalidRequest naming the field.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from app.domain.errors import InvalidRequest

Body = Mapping[str, Any]


def wrong(field: str, expected: str) -> InvalidRequest:
    return InvalidRequest(f"{field} must be {expected}", field=field)


def boolean(body: Body, name: str, default: bool = False) -> bool:
    value = body.get(name)
    if value is None:
        return default
    if value is True or value is False:
        return value
    raise wrong(name, "true or false")


def text(body: Body, name: str, *, longest: int, shortest: int = 0) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if type(value) is not str:
        raise wrong(name, "a string")
    if not shortest <= len(value) <= longest:
        raise wrong(name, f"{shortest} to {longest} characters long")
    return value


def model(body: Body) -> str:
    """The model that is asked for, `auto` where none is; whether there is such a one is not known here."""
    name = text(body, "model", longest=300)
    return "auto" if name is None else name


def integer(body: Body, name: str, low: int, high: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    # `type` and not `isinstance`: true is not 1.
    if type(value) is not int or not low <= value <= high:
        raise wrong(name, f"a whole number from {low} to {high}")
    return value


def number(body: Body, name: str, low: float, high: float) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not low <= value <= high:
        raise wrong(name, f"a number from {low:g} to {high:g}")
    return float(value) if type(value) is float else value


def choice(body: Body, name: str, allowed: Collection[str]) -> str | None:
    value = body.get(name)
    if value is None:
        return None
    if type(value) is not str or value not in allowed:
        raise wrong(name, "one of " + ", ".join(sorted(allowed)))
    return value


def objects(value: Any, field: str, most: int) -> list[dict[str, Any]]:
    """A list of at most `most` objects."""
    if type(value) is not list:
        raise wrong(field, "a list of objects")
    if len(value) > most:
        raise wrong(field, f"a list of at most {most}")
    for index, item in enumerate(value):
        if type(item) is not dict:
            raise wrong(f"{field}[{index}]", "an object")
    return value


def names(body: Body, name: str, most: int, kind: str = "a model's name") -> tuple[str, ...]:
    """A list of at most `most` names or ids, doubles dropped, in order."""
    value = body.get(name)
    if value is None:
        return ()
    if type(value) is not list:
        raise wrong(name, "a list of names")
    if len(value) > most:
        raise wrong(name, f"a list of at most {most}")
    for index, item in enumerate(value):
        if type(item) is not str or not 0 < len(item) <= 300:
            raise wrong(f"{name}[{index}]", kind)
    return tuple(dict.fromkeys(value))


def only(body: Body, known: Collection[str]) -> None:
    """Refuse a field that is not known here."""
    for name in body:
        if name not in known:
            raise InvalidRequest(f"there is no field {name!r} here", field=name)
