"""A provider's own list of its models, on each wire: where to ask, what the answer means.

Formats: OpenAI's `GET /models`, Gemini's `GET /v1beta/models`, Anthropic's `GET /v1/models`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from app.domain.errors import ProviderFault

MOST = 2_000
LONGEST_NAME = 200
WIRES = frozenset({"openai", "gemini", "anthropic"})


@dataclass(frozen=True, slots=True)
class Listed:
    """context_window: tokens, None where the list does not tell it. chats: whether it is said to answer chats."""

    name: str
    context_window: int | None = None
    chats: bool = True


def request(wire: str, base_url: str, secret: str | None) -> tuple[str, dict[str, str]]:
    """The URL to GET and its headers; the key never stands in the URL."""
    base = base_url.rstrip("/")
    if wire == "gemini":
        return f"{base}/v1beta/models?pageSize=1000", {"x-goog-api-key": secret or ""}
    if wire == "anthropic":
        return f"{base}/v1/models?limit=1000", {"x-api-key": secret or "", "anthropic-version": "2023-06-01"}
    return f"{base}/models", {"authorization": f"Bearer {secret}"} if secret else {}


def read(wire: str, body: bytes) -> tuple[Listed, ...]:
    """The models of a list, in its order; what cannot be read is left out. Raises ProviderFault(bad_reply)."""
    try:
        value = orjson.loads(body)
        rows = value["models" if wire == "gemini" else "data"]
        found = [_gemini(row) if wire == "gemini" else _openai(row) for row in rows[:MOST]]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as fault:
        raise ProviderFault("bad_reply", "the provider's list of models cannot be read") from fault
    return tuple(listed for listed in found if listed is not None)


def _openai(row: Mapping[str, Any]) -> Listed | None:
    return _listed(row.get("id"), row.get("context_window") or row.get("context_length"), chats=True)


def _gemini(row: Mapping[str, Any]) -> Listed | None:
    name = row.get("name")
    methods = row.get("supportedGenerationMethods") or ()
    short = name.removeprefix("models/") if isinstance(name, str) else None
    return _listed(short, row.get("inputTokenLimit"), chats="generateContent" in methods)


def _listed(name: object, window: object, *, chats: bool) -> Listed | None:
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        return None
    return Listed(name, window if isinstance(window, int) and window > 0 else None, chats)
