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
from app.domain.policies.likeness import LeftOver, bare, left_over
from app.utils.clock import utcnow

if TYPE_CHECKING:
    from app.domain.embedding import Vector

log = logging.getLogger(__name__)

LONGEST: Final = 2_000
"""Characters of a question; one that is longer says more than its average tells."""


WORDS_NEAR: Final = 0.6
"""The least cosine of two words that mean the same: benefits and advantages 0.72, anna and emma 0.06, increase and
decrease 0.08, hot and cold 0.18, buy and sell 0.44."""

MOST_LEFT: Final = 12
MOST_NEAR: Final = 8
"""Of those near enough, how many are looked at word by word (0.3 ms each)."""


class Candidate(Protocol):
    @property
    def key(self) -> CacheKey: ...
    @property
    def question(self) -> str: ...
    @property
    def vector(self) -> bytes | None: ...


class NearRows(Protocol):
    def near(self, tenant: str, scope: str, embedder: str, now: datetime) -> Sequence[Candidate]:
        """This user's answers to questions that differ in their last message alone. Raises Unavailable."""

    def find(self, key: CacheKey, now: datetime) -> tuple[bytes, datetime] | None:
        """The answer and when it expires. Raises Unavailable."""


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
        if not rows:
            return None
        for row in self._nearest(question, rows):
            rest = left_over(question, row.question)
            if rest is not None and self._means_the_same(rest):
                found = self._rows.find(row.key, utcnow())
                kept = None if found is None else unpacked(row.key, found[0])
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
            (vector,) = self._embedder.embed([bare(asked[1])])
        except Unavailable as fault:
            log.debug("a question is not embedded: %s", fault.message)
            vector = None
        if vector is None:
            return NearMeans(*asked)
        return NearMeans(*asked, self._embedder.name, vector.tobytes())

    def _nearest(self, question: str, rows: Sequence[Candidate]) -> list[Candidate]:
        """Those near enough, the nearest first."""
        unknown = [bare(row.question) for row in rows if row.vector is None]
        asked, *made = self._embedder.embed([bare(question), *unknown])
        if asked is None:
            return []
        import numpy as np  # loaded by now: the embedder did, off the loop

        fresh = iter(made)
        found: list[tuple[float, int]] = []
        for place, row in enumerate(rows):
            vector: Vector | None = next(fresh) if row.vector is None else np.frombuffer(row.vector, np.float32)
            if vector is not None and vector.shape == asked.shape:
                found.append((float(asked @ vector), place))
        return [rows[place] for near, place in sorted(found, reverse=True)[:MOST_NEAR] if near >= self._threshold]

    def _means_the_same(self, rest: LeftOver) -> bool:
        """Whether each word that one of them has alone means what some word means that the other has alone: among many
        words one name, or one opposite, is too little to part two averages."""
        if not rest.one and not rest.other:
            return True
        if not rest.one or not rest.other or len(rest.one) + len(rest.other) > MOST_LEFT:
            return False
        vectors = self._embedder.embed([*rest.one, *rest.other])
        ours, theirs = vectors[: len(rest.one)], vectors[len(rest.one) :]

        def near(word: Vector | None, among: Sequence[Vector | None]) -> bool:
            return word is not None and any(other is not None and word @ other >= WORDS_NEAR for other in among)

        return all(near(word, theirs) for word in ours) and all(near(word, ours) for word in theirs)
