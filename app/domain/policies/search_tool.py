"""The tool by which a model decides for itself that the web is to be searched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from app.domain.chat import ToolCall
from app.domain.policies.search_query import plain_query

NAME: Final = "web_search"
DEFINITION: Final[Mapping[str, Any]] = {
    "type": "function",
    "function": {
        "name": NAME,
        "description": (
            "Search the web. Use it for what may have changed since you were trained, what is recent, and facts that "
            "you are not sure of; answer directly where you know."
        ),
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string", "description": "What to search for, as for a search engine."}},
            "required": ["query"],
        },
    },
}


def queries_of(calls: Iterable[ToolCall]) -> tuple[str, ...]:
    """What the model wants to be searched for, each once; empty where it said nothing that can be searched for."""
    return tuple(dict.fromkeys(filter(None, map(_query, calls))))


def _query(call: ToolCall) -> str:
    try:
        told = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return ""
    query = told.get("query") if isinstance(told, dict) else None
    return plain_query(query) if isinstance(query, str) else ""
