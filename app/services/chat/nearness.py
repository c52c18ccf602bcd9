"""Kept answers to questions that mean the same in other words: only where that is asked for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from app.domain.cached import KeptReply, NearMeans
from app.domain.chat import ChatRequest, Message
from app.domain.embedding import Embedder
from app.domain.errors import Unavailable
from app.domain.policies.cache_entry import unpacked
from app.domain.policies.cache_key import CacheKey, scope_of
from app.domain.policies.likeness import same_facts
from app.utils.clock import utcnow

if TYPE_CHECKING:
    from app.domain.embedding import Vector

log = logging.getLogger(__name__)

LONGEST: Final = 2_000
"""Characters of a question; one that is longer says more than its average tells."""


class Candidate(Protocol):
    @property
    def key(self) -> CacheKey: ...
    @property
    def question(self) -> str: ...
    @property
    def vector(self) -> bytes | None: ...
    @property
    def body(self) -> bytes: ...


class NearRows(Protocol):
    def near(self, tenant: str, scope: str, embedder: str, now: datetime) -> Sequence[Candidate]:
        """This user's answers to questions that differ in their last message alone. Raises Unavailable."""


class Nearness:
    """unasked: CACHE_SEMANTIC. threshold: the least cosine of two questions that count as one."""

    def __init__(self, rows: NearRows, embedder: Embedder, *, unasked: bool, threshold: float) -> None:
        self._rows = rows
        self._embedder = embedder
        self._unasked = unasked
        self._threshold = threshold

    def wanted(self, request: ChatRequest) -> bool:
        return self._unasked or request.wishes.cache == "semantic"

    def find(self, request: ChatRequest, prompt: Sequence[Message]) -> KeptReply | None:
        """The answer to the nearest question that is near enough. Raises Unavailable."""
        asked = scope_of(request, prompt)
        if asked is None or len(asked[1]) > LONGEST:
            return None
        scope, question = asked
        rows = self._rows.near(request.caller.user_id, scope, self._embedder.name, utcnow())
        alike = [row for row in rows if same_facts(question, row.question)]
        if not alike:
            return None
        for row in self._nearest(question, alike):
            kept = unpacked(row.key, row.body)
            if kept is not None:
                return kept
        return None

    def means(self, request: ChatRequest, prompt: Sequence[Message]) -> NearMeans | None:
        """By what an answer to this is found; its vector where such questions are asked for now."""
        asked = scope_of(request, prompt)
        if asked is None or len(asked[1]) > LONGEST or "\x00" in asked[1]:
            return None
        if not self.wanted(request):
            return NearMeans(*asked)
        try:
            (vector,) = self._embedder.embed([asked[1]])
        except Unavailable as fault:
            log.debug("a question is not embedded: %s", fault.message)
            vector = None
        if vector is None:
            return NearMeans(*asked)
        return NearMeans(*asked, self._embedder.name, vector.tobytes())

    def _nearest(self, question: str, rows: Sequence[Candidate]) -> list[Candidate]:
        """Those near enough, the nearest first."""
        import numpy as np

        unknown = [row.question for row in rows if row.vector is None]
        asked, *made = self._embedder.embed([question, *unknown])
        if asked is None:
            return []
        fresh = iter(made)
        found: list[tuple[float, int]] = []
        for place, row in enumerate(rows):
            vector: Vector | None = next(fresh) if row.vector is None else np.frombuffer(row.vector, np.float32)
            if vector is not None and vector.shape == asked.shape:
                found.append((float(asked @ vector), place))
        return [rows[place] for near, place in sorted(found, reverse=True) if near >= self._threshold]
