"""Looking things up in the web."""

from __future__ import annotations

from app.bootstrap.house import House
from app.middleware.readiness import State
from app.services.chat.web_search import Searching
from app.services.search.engines import SearchEngine, SearXNG, Tavily
from app.services.search.pages import PageReader
from app.services.search.service import WebSearch
from app.utils.children import Children, Limits


def web_search(house: House) -> None:
    search = _search_of(house)
    house.enrichments.append(Searching(search))

    def probe() -> tuple[State, str]:
        """Nobody is asked for it: an engine counts what it is asked, or is paid for it."""
        if search is None:
            return "off", "no search engine is set up"
        return ("degraded", f"the last search failed: {search.trouble}") if search.trouble else ("ok", search.engine)

    house.probes["search"] = probe


def _search_of(house: House) -> WebSearch | None:
    settings = house.settings
    engine = _engine_of(house)
    if engine is None or settings.search_max_calls == 0:
        return None
    jobs = settings.instance / "media" / "jobs"
    children = Children("app.jobs.web_pages", Limits(seconds=4, memory_mb=768), jobs, size=2, waiting=64)
    reader = PageReader(house.fetcher, children)
    house.lifecycle.on_close("web pages", reader.close)
    return WebSearch(
        engine, reader, house.embedder, max_calls=settings.search_max_calls, seconds=settings.search_timeout
    )


def _engine_of(house: House) -> SearchEngine | None:
    """The installation's own before one that is paid."""
    settings = house.settings
    if settings.searxng_url:
        return SearXNG(house.transport, settings.searxng_url)
    return Tavily(house.transport, settings.tavily_api_key) if settings.tavily_api_key else None
