"""Search engines by HTTP. Their address is the admin's and may be private; what they give is others' word."""

from __future__ import annotations

import time
from contextlib import closing
from typing import Final, Protocol

from app.adapters import search_engines as wire
from app.domain.errors import ProviderFault
from app.domain.search import Hit
from app.transport.http import HttpRequest, Transport
from app.utils.cancel import Cancel
from app.utils.patience import Patience

TAVILY: Final = "https://api.tavily.com"
MAX_REPLY: Final = 2 * 2**20


class SearchEngine(Protocol):
    """name: for readers."""

    name: str

    def search(self, query: str, seconds: float, cancel: Cancel) -> tuple[Hit, ...]:
        """What it finds, best first, within so many seconds. Raises ProviderFault in words that may be shown."""


class SearXNG:
    name = "SearXNG"

    def __init__(self, transport: Transport, base_url: str) -> None:
        self._transport = transport
        self._base_url = base_url

    def search(self, query: str, seconds: float, cancel: Cancel) -> tuple[Hit, ...]:
        url = wire.ask_searxng(self._base_url, query)
        return _asked(self._transport, HttpRequest("GET", url, {"accept": "application/json"}), seconds, cancel)


class Tavily:
    name = "Tavily"

    def __init__(self, transport: Transport, key: str, base_url: str = TAVILY) -> None:
        self._transport = transport
        self._headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        self._url = f"{base_url}/search"

    def search(self, query: str, seconds: float, cancel: Cancel) -> tuple[Hit, ...]:
        return _asked(
            self._transport, HttpRequest("POST", self._url, self._headers, wire.ask_tavily(query)), seconds, cancel
        )


def _asked(transport: Transport, request: HttpRequest, seconds: float, cancel: Cancel) -> tuple[Hit, ...]:
    """No redirect is followed and nothing is asked twice."""
    patience = Patience(deadline=time.monotonic() + seconds, first=seconds, stall=seconds)
    try:
        with closing(transport.send(request, patience, cancel)) as reply:
            body = reply.read(MAX_REPLY) if reply.status == 200 else b""
    except ProviderFault as fault:
        if fault.kind in _WORDS:
            raise ProviderFault(fault.kind, _WORDS[fault.kind]) from fault
        raise
    if reply.status != 200:
        raise ProviderFault("server_error", _refusal(reply.status), status=reply.status)
    return wire.hits(body)


#: The transport's own words are of providers.
_WORDS: Final = {
    "connect": "it cannot be reached",
    "pool_full": "too many searches are under way",
    "tls": "it does not prove who it is",
    "reset": "it broke the connection off",
    "cut": "it broke its reply off",
    "stalled": "it took too long",
    "first_token_timeout": "it took too long",
    "bad_reply": "its reply cannot be read",
}


def _refusal(status: int) -> str:
    if status in (401, 403):
        return f"it refuses us ({status}): is its key right, or JSON allowed there?"
    return "too many searches were asked of it" if status == 429 else f"it answered {status}"
