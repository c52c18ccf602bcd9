"""A web search: engines asked, pages fetched and read at once, what fits the question picked. Bounded in time."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from app.domain.embedding import Embedder
from app.domain.errors import DomainError, Forbidden, ProviderFault, UpstreamFailed, UpstreamTimeout
from app.domain.policies import passages
from app.domain.policies.plain_text import plain_line
from app.domain.policies.quoting import HIDDEN, plain_name
from app.domain.policies.search_query import links_in
from app.domain.policies.tokens import size_of
from app.domain.policies.urls import check_fetchable, parse
from app.domain.search import FoundPage, Hit, Passage
from app.services.search.engines import SearchEngine
from app.services.search.pages import PageReader
from app.utils.cancel import Cancel
from app.utils.pools import within
from app.utils.together import in_time

log = logging.getLogger(__name__)

MOST_PAGES: Final = 5
MOST_OF_A_PAGE: Final = 6_000
"""Bytes of its text that are used."""
NAMED: Final = 0.4
"""The share of the time that is left for pages which the question names, however slow the engine is."""
PICKING: Final = 0.15
"""The share of the time that is left for picking passages once the pages are there."""
LONGEST_TITLE: Final = 200
WORDS_WEIGH: Final = 0.5
"""What it counts that all words of the question stand in a passage, beside a cosine."""
TROUBLE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Found:
    """unread: pages that could not be fetched or read; refused: those that lead where nobody is sent. failed: why the
    engine found nothing though there are pages that the question names."""

    pages: tuple[FoundPage, ...]
    unread: int = 0
    refused: int = 0
    failed: str = ""


@dataclass(frozen=True, slots=True)
class _Read:
    """A page as far as it was had: without passages it is what the engine said of it."""

    hit: Hit
    url: str
    passages: tuple[Passage, ...] = ()
    refused: bool = False


class WebSearch:
    """max_calls: SEARCH_MAX_CALLS; seconds: SEARCH_TIMEOUT, for all searches of one chat together."""

    def __init__(
        self, engine: SearchEngine, reader: PageReader, embedder: Embedder, *, max_calls: int, seconds: float
    ) -> None:
        self.max_calls = max_calls
        self._engine = engine
        self._reader = reader
        self._embedder = embedder
        self._seconds = seconds
        self._trouble = ""
        self._troubled_at = float("-inf")

    @property
    def engine(self) -> str:
        return self._engine.name

    @property
    def trouble(self) -> str:
        """What the last search failed of, for a while; else empty."""
        return self._trouble if time.monotonic() - self._troubled_at < TROUBLE_SECONDS else ""

    def look_up(self, queries: Sequence[str], question: str, room: int, cancel: Cancel) -> Found:
        """room: bytes of text that all pages together may bring.

        Raises UpstreamFailed or UpstreamTimeout where the engine failed for every query, ProviderFault(cancelled).
        """
        until = time.monotonic() + self._seconds
        words = passages.words_of(" ".join((question, *queries)))
        named = links_in(question)
        failed = ""
        told: list[Sequence[Hit]] = [[Hit(url, url) for url in named]]
        try:
            told += self._found(queries, until - NAMED * self._seconds if named else until, cancel)
        except (UpstreamFailed, UpstreamTimeout) as fault:
            if not named:
                raise
            failed = fault.message
        hits, refused = _callable(told)
        share = min(MOST_OF_A_PAGE, room // max(1, len(hits)))
        read = self._read(hits, words, until - PICKING * self._seconds)
        refused += sum(page.refused for page in read)
        unread = sum(not page.passages and not page.refused for page in read)
        pages = self._picked([page for page in read if not page.refused], question, words, share, until)
        return Found(tuple(pages), unread, refused, failed)

    def _found(self, queries: Sequence[str], until: float, cancel: Cancel) -> list[Sequence[Hit]]:
        """What the engine gives for each query."""

        def ask(query: str) -> tuple[Hit, ...] | ProviderFault:
            try:
                return self._engine.search(query, max(until - time.monotonic(), 0.0), cancel)
            except ProviderFault as fault:
                return fault

        asked = in_time(ask, queries[: self.max_calls], until)
        lists: list[Sequence[Hit]] = [found for found in asked if isinstance(found, tuple)]
        if not lists:
            fault = next((told for told in asked if isinstance(told, ProviderFault)), None)
            raise self._failed(fault or ProviderFault("stalled", "it took too long"))
        self._trouble = ""
        return lists

    def _failed(self, fault: ProviderFault) -> Exception:
        if fault.kind == "cancelled":
            return fault
        self._trouble, self._troubled_at = fault.message, time.monotonic()
        log.warning("a web search failed: %s", fault.message)
        kind = UpstreamTimeout if fault.kind in ("stalled", "first_token_timeout") else UpstreamFailed
        return kind(f"{self._engine.name}: {fault.message}")

    def _read(self, hits: Sequence[Hit], words: frozenset[str], until: float) -> list[_Read]:
        def read(hit: Hit) -> _Read:
            try:
                url, found = self._reader.read(hit.url, words, max(until - time.monotonic(), 0.0))
            except Forbidden:
                return _Read(hit, hit.url, refused=True)
            except DomainError:
                return _Read(hit, hit.url)
            return _Read(hit, url, tuple(found))

        done = in_time(read, hits, until)
        return [page or _Read(hit, hit.url) for hit, page in zip(hits, done, strict=True)]

    def _picked(
        self, read: Sequence[_Read], question: str, words: frozenset[str], share: int, until: float
    ) -> Iterator[FoundPage]:
        scores = iter(self._scores(question, words, [passage for page in read for passage in page.passages], until))
        used: set[str] = set()
        for page in read:
            own = [next(scores) for _ in page.passages]
            text = passages.joined(page.passages, own, share) if page.passages else page.hit.summary
            text = HIDDEN.sub("", text).strip()
            if text and size_of(text) <= share and page.url not in used:
                used.add(page.url)
                yield FoundPage(page.url, plain_name(page.hit.title or page.url, LONGEST_TITLE), text)

    def _scores(self, question: str, words: frozenset[str], found: Sequence[Passage], until: float) -> list[float]:
        """How well each fits: by meaning and by its words, or by words alone where the embedder is not there."""
        by_words = [WORDS_WEIGH * passage.words / max(1, len(words)) for passage in found]
        if not found:
            return by_words
        try:
            left = max(until - time.monotonic(), 0.05)
            with within(left, UpstreamTimeout("comparing passages took too long")):
                asked, *vectors = self._embedder.embed([question, *(passage.text for passage in found)])
        except DomainError as fault:
            log.info("passages are picked by their words alone: %s", fault.message)
            return by_words
        if asked is None:
            return by_words
        near = [0.0 if vector is None else float(asked @ vector) for vector in vectors]
        return [by + cosine for by, cosine in zip(by_words, near, strict=True)]


def _callable(lists: Sequence[Sequence[Hit]]) -> tuple[list[Hit], int]:
    """The best of each list in turn, each URL once; and how many lead where nobody is sent, as their URL tells."""
    chosen: dict[str, Hit] = {}
    refused = 0
    for row in zip_longest(*lists):
        for hit in filter(None, row):
            try:
                target = parse(hit.url)
                check_fetchable(target, "url")
            except DomainError:
                refused += 1
                continue
            chosen.setdefault(target.url, hit)
    best = list(chosen.items())[:MOST_PAGES]
    return [Hit(url, plain_line(hit.title), plain_line(hit.summary)) for url, hit in best], refused
