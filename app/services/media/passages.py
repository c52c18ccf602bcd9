"""The parts of a long document that have to do with a question."""

from __future__ import annotations

import hashlib
import math
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.domain.embedding import Embedder
from app.domain.media import TextPage
from app.domain.policies.pieces import Piece, cut_up, runs, spread, taken
from app.utils.pools import ThreadLane

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TOGETHER: Final = 64
"""Pieces that are embedded at once: some 40 ms, after which others get their turn."""
MOST_KEPT: Final = 16_384
"""Vectors of pieces that a worker keeps; of 256 dimensions that is 16 MB."""
LEAST_LIKENESS: Final = 0.2
"""Where the best is below it, nothing has to do with the question."""
SHARE_OF_BEST: Final = 0.4
"""What has less of the best one's score is not what was looked for."""
WORDS_WEIGH: Final = 0.6
"""What it counts, beside meaning, that a piece has the question's own rare words: names and numbers mean nothing."""
MOST_WORDS: Final = 64

_WORD = re.compile(r"\w+(?:[.:/-]\w+)+|\w{2,}")
_PART = re.compile(r"\w{2,}")


@dataclass(frozen=True, slots=True)
class Passage:
    """Pieces in a row. lead: the heading and the table's head that they stand under. found: those of its pieces that
    were looked for, as texts. skips, more: something is left out before it, after it."""

    page: TextPage
    lead: str
    text: str
    found: tuple[str, ...]
    skips: bool
    more: bool


@dataclass(frozen=True, slots=True)
class _Cut:
    """vectors: one row a piece; a row of zeros for one without words."""

    pieces: tuple[Piece, ...]
    vectors: NDArray[np.float32]


class Passages:
    """Vectors of what was looked into are kept for those who ask about it again."""

    def __init__(self, embedder: Embedder, most_kept: int = MOST_KEPT) -> None:
        self._embedder = embedder
        self._most_kept = most_kept
        self._kept: OrderedDict[bytes, _Cut] = OrderedDict()
        self._lane = ThreadLane(1)

    def of(
        self, pages: Sequence[TextPage], question: str, budget: int, *, owner: str | None, rows: bool = False
    ) -> tuple[Passage, ...]:
        """In the document's order, at most `budget` tokens long; from all over it where the question tells nothing.

        owner: for whom vectors are kept, so that nobody learns by the time it takes what others have sent; None keeps
        nothing. rows: each line is a row of a table. Raises Unavailable where nothing can be compared now.
        """
        (asked,) = self._embedder.embed([question])
        cut = self._cut(pages, owner, rows=rows)

        def look() -> tuple[Passage, ...]:
            ranking = [] if asked is None else _ranking(pages, cut, asked, question)
            chosen, hits = taken(cut.pieces, ranking or spread(len(cut.pieces)), budget)
            given = set(chosen)
            return tuple(_passage(pages, cut.pieces, run, hits, given) for run in runs(chosen, cut.pieces))

        return self._lane.run(look)

    def close(self) -> None:
        self._lane.close()

    def _cut(self, pages: Sequence[TextPage], owner: str | None, *, rows: bool) -> _Cut:
        name = self._embedder.name
        key = self._lane.run(lambda: _key(pages, owner, name, rows=rows)) if owner is not None else None
        known = self._kept.get(key) if key is not None else None
        if key is not None and known is not None:
            self._kept.move_to_end(key)
            return known
        cut = self._embedded(pages, self._lane.run(lambda: cut_up(pages, rows=rows)))
        if key is not None:
            self._keep(key, cut)
        return cut

    def _embedded(self, pages: Sequence[TextPage], pieces: tuple[Piece, ...]) -> _Cut:
        import numpy as np

        found: list[NDArray[np.float32] | None] = []
        for start in range(0, len(pieces), TOGETHER):
            texts = [f"{piece.lead}\n{_text(pages, piece)}" for piece in pieces[start : start + TOGETHER]]
            found += self._embedder.embed(texts)
        width = next((len(vector) for vector in found if vector is not None), 0)
        nothing = np.zeros(width, np.float32)
        rows = [nothing if vector is None else vector for vector in found]
        return _Cut(pieces, np.stack(rows) if rows else np.zeros((0, width), np.float32))

    def _keep(self, key: bytes, cut: _Cut) -> None:
        self._kept[key] = cut
        count = sum(len(kept.pieces) for kept in self._kept.values())
        while count > self._most_kept:
            _, dropped = self._kept.popitem(last=False)
            count -= len(dropped.pieces)


def _ranking(pages: Sequence[TextPage], cut: _Cut, asked: NDArray[np.float32], question: str) -> list[int]:
    """Indices of pieces, best first; none where no piece has to do with the question."""
    import numpy as np

    if not cut.vectors.size:
        return []
    words = _shares_of_words([_text(pages, piece).casefold() for piece in cut.pieces], question)
    scores = cut.vectors @ asked + WORDS_WEIGH * np.array(words, np.float32)
    best = scores.max()
    if best < LEAST_LIKENESS:
        return []
    return [int(index) for index in np.argsort(-scores, kind="stable") if scores[index] >= best * SHARE_OF_BEST]


def _shares_of_words(texts: Sequence[str], question: str) -> list[float]:
    """Of each text, how much of the question's words it has, 0 to 1: a word counts the more the fewer have it."""
    said = question.casefold()
    words = list(dict.fromkeys((*_WORD.findall(said), *_PART.findall(said))))[:MOST_WORDS]
    shares = [0.0] * len(texts)
    total = 0.0
    for word in words:
        having = [index for index, text in enumerate(texts) if word in text]
        if not having:
            continue
        weight = math.log(len(texts) / len(having))
        total += weight
        for index in having:
            shares[index] += weight
    return [share / total for share in shares] if total else shares


def _passage(
    pages: Sequence[TextPage], pieces: Sequence[Piece], run: Sequence[int], hits: set[int], given: set[int]
) -> Passage:
    first, last = pieces[run[0]], pieces[run[-1]]
    page = pages[first.page]
    found = tuple(text for index in run if index in hits and (text := _text(pages, pieces[index]).strip()))
    skips, more = run[0] > 0 and run[0] - 1 not in given, run[-1] + 1 < len(pieces) and run[-1] + 1 not in given
    return Passage(page, first.lead, page.text[first.start : last.end].strip("\n"), found, skips, more)


def _text(pages: Sequence[TextPage], piece: Piece) -> str:
    return pages[piece.page].text[piece.start : piece.end]


def _key(pages: Sequence[TextPage], owner: str, name: str, *, rows: bool) -> bytes:
    told = hashlib.sha256(f"{owner}\0{name}\0{rows}".encode())
    for page in pages:
        raw = page.text.encode("utf-8", "surrogatepass")
        told.update(b"%d " % len(raw))
        told.update(raw)
    return told.digest()
