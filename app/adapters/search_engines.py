"""The wires of search engines: SearXNG's JSON and Tavily's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from app.domain.errors import ProviderFault
from app.domain.search import Hit

MOST_HITS: Final = 10
LONGEST_URL, LONGEST_TITLE, LONGEST_SUMMARY = 2_048, 1_000, 4_000


def ask_searxng(base_url: str, query: str) -> str:
    """The URL to GET. Its JSON has to be allowed there: `json` under `search.formats` of its settings.yml."""
    return f"{base_url.removesuffix('/search')}/search?{urlencode({'q': query, 'format': 'json'})}"


def ask_tavily(query: str) -> bytes:
    """The body to POST to /search."""
    return orjson.dumps({"query": query, "max_results": MOST_HITS, "search_depth": "basic"})


def hits(body: bytes) -> tuple[Hit, ...]:
    """What either of them found, best first. Raises ProviderFault(bad_reply) for what is no list of results."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise ProviderFault("bad_reply", "its reply is no JSON") from fault
    results = told.get("results") if isinstance(told, dict) else None
    if not isinstance(results, list):
        raise ProviderFault("bad_reply", "its reply is no list of results")
    return tuple(_hits(results))[:MOST_HITS]


def _hits(results: list[Any]) -> Iterator[Hit]:
    for row in results[: 10 * MOST_HITS]:
        if isinstance(row, dict) and isinstance(url := row.get("url"), str) and 0 < len(url) <= LONGEST_URL:
            yield Hit(url, _text(row, "title", LONGEST_TITLE), _text(row, "content", LONGEST_SUMMARY))


def _text(row: dict[str, Any], name: str, longest: int) -> str:
    value = row.get(name)
    return value[:longest] if isinstance(value, str) else ""
