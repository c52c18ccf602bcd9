"""What a schema refused, as the error of the contract."""

from __future__ import annotations

from typing import Any

from app.domain.errors import InvalidRequest


def invalid(messages: Any) -> InvalidRequest:
    """The first fault in marshmallow's messages, its field named as a path (`variables[0].name`)."""
    found = first_fault(_without_place(messages))
    if found is None:
        return InvalidRequest("the request is not valid")
    field, reason = found
    return InvalidRequest(f"{field}: {reason}" if field else reason, field=field or None)


def first_fault(messages: Any, path: str = "") -> tuple[str, str] | None:
    """The first message of marshmallow's tree with the path of its field."""
    if isinstance(messages, str):
        return path, messages
    if isinstance(messages, list):
        return first_fault(messages[0], path) if messages else None
    if isinstance(messages, dict):
        for name, below in messages.items():
            found = first_fault(below, _join(path, name))
            if found is not None:
                return found
    return None


def _without_place(messages: Any) -> Any:
    """webargs puts the place first (`json`, `query`, `form`); a caller knows the field alone."""
    if not isinstance(messages, dict) or len(messages) != 1:
        return messages
    place, below = next(iter(messages.items()))
    return below if place in ("json", "query", "form", "files", "path", "headers") else messages


def _join(path: str, name: object) -> str:
    if name == "_schema":
        return path
    if isinstance(name, int):
        return f"{path}[{name}]"
    clean = "".join(char if char.isprintable() else "?" for char in str(name)[:100])
    return f"{path}.{clean}" if path else clean
