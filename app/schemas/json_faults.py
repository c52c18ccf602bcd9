"""What is wrong with a JSON body, said with the field's name. Called only where something is wrong."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, NoReturn

import orjson

from app.domain.errors import InvalidRequest

_MAX_EXPLAINED = 2**20
_MAX_DIGITS = 308
_SURROGATE = re.compile("[\ud800-\udfff]")


def explained(raw: bytes, error: orjson.JSONDecodeError) -> InvalidRequest:
    """The error owed for bytes that orjson refused, with the field where all but one value is JSON."""
    if not raw.strip():
        return InvalidRequest("the body is empty; send a JSON object")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as wrong:
        return InvalidRequest(f"the body is not UTF-8 (byte {wrong.start})")
    if len(raw) <= _MAX_EXPLAINED:
        for path, leaf in _lenient_leaves(text):
            reason = _fault_of(leaf)
            if reason is not None:
                field = shown(path) or None
                return InvalidRequest(f"{field or 'the body'} holds {reason}", field=field)
    return InvalidRequest(f"the body is not JSON: {error.msg} (line {error.lineno}, column {error.colno})")


def refuse_depth(value: dict[str, Any], limit: int) -> None:
    """Raise InvalidRequest where containers stand more than `limit` deep, the body itself being the first."""
    if not _deeper_than(value, limit):
        return
    field = next(name for name, child in value.items() if _deeper_than(child, limit - 1))
    raise InvalidRequest(f"{shown(field)} is nested deeper than {limit}", field=shown(field))


def refuse_nul(value: dict[str, Any], allowed: frozenset[str]) -> None:
    """Raise InvalidRequest for a NUL in any name or text but in the top-level fields `allowed`."""
    for name, child in value.items():
        if name in allowed and isinstance(child, str):
            continue
        for path, leaf in leaves({name: child}):
            if isinstance(leaf, str) and "\0" in leaf:
                _refuse(path, "a NUL character")


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every name and every value that is no container, with the path of the field it belongs to."""
    if isinstance(value, dict):
        for name, child in value.items():
            here = f"{path}.{name}" if path else name
            yield here, name
            yield from leaves(child, here)
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from leaves(child, f"{path}[{index}]")
    else:
        yield path, value


def shown(path: str) -> str:
    """A path that is safe to show: no lone surrogates or control characters, at most 200 characters."""
    clean = path.encode("utf-8", "replace").decode()
    return "".join(char if char.isprintable() else "?" for char in clean)[:200]


def _refuse(path: str, reason: str) -> NoReturn:
    raise InvalidRequest(f"{shown(path)} holds {reason}", field=shown(path))


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        children = (child for box in level for child in (box.values() if type(box) is dict else box))
        level = [child for child in children if type(child) is dict or type(child) is list]
        if not level:
            return False
    return True


def _lenient_leaves(text: str) -> Iterator[tuple[str, Any]]:
    """The leaves as Python's lenient reader has them, none where it fails too."""
    try:
        value = json.loads(text, parse_int=_bounded_int)
        yield from leaves(value)
    except (ValueError, RecursionError):
        return


def _bounded_int(digits: str) -> float:
    return math.inf if len(digits) > _MAX_DIGITS else int(digits)


def _fault_of(leaf: Any) -> str | None:
    if isinstance(leaf, float) and not math.isfinite(leaf):
        return "a number that JSON does not have or a double cannot hold"
    if isinstance(leaf, str) and _SURROGATE.search(leaf):
        return "a lone surrogate, which is no Unicode text"
    return None
