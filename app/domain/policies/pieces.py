"""Long documents cut along their structure into pieces that can be looked for one by one, and which of them are taken.

A piece is a slice of one page: all slices of a page together are its text. Only what is looked at grows with a
document, never what is tried: a megabyte is cut in some 50 ms, however its lines are.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from app.domain.media import TextPage
from app.domain.policies.tokens import estimate

MOST_TOKENS: Final = 300
LEAST_TOKENS: Final = 100
"""Past which a heading begins a piece of its own."""
LONGEST_LEAD: Final = 200
"""Characters of a heading or of a table's first row that are repeated before what stands under it."""
MARK_TOKENS: Final = 8
"""What the mark of a page before a piece is taken for."""
MOST_HITS: Final = 24

_FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} ", re.MULTILINE)
_TABLE = re.compile(r"^(?:(?:\||[^\n|\t]*[^\n|\t ] ?[|\t])[^\n]*\n){3,}", re.MULTILINE)
_SENTENCE = re.compile(r"[.!?…]['\")\]»”’]*\s|[。！？]")
_FIRST_GUESS = 4 * MOST_TOKENS
"""Characters of a piece of prose."""


@dataclass(frozen=True, slots=True)
class Piece:
    """`pages[page].text[start:end]`. lead: under which heading and in which table it stands, where it does not say so
    itself. tokens: with its lead."""

    page: int
    start: int
    end: int
    tokens: int
    lead: str = ""


def cut_up(pages: Sequence[TextPage], *, rows: bool = False) -> tuple[Piece, ...]:
    """Pieces of at most MOST_TOKENS and their leads, in the document's order. rows: each line is a table's row."""
    return tuple(piece for index, page in enumerate(pages) for piece in _Page(index, page.text, rows=rows).pieces())


def taken(
    pieces: Sequence[Piece], ranking: Sequence[int], budget: int, most: int = MOST_HITS
) -> tuple[list[int], set[int]]:
    """Indices of the pieces that go into a prompt, in the document's order, and those among them that were looked for.

    ranking: indices of pieces, best first. budget: tokens. Before them comes the document's beginning, which says what
    it is; beside each its neighbours of the same page, which say what it is about.
    """
    kept: set[int] = set()
    hits: set[int] = set()
    left = budget

    def take(index: int) -> bool:
        nonlocal left
        cost = pieces[index].tokens + MARK_TOKENS
        if index not in kept:
            if cost > left:
                return False
            kept.add(index)
            left -= cost
        return True

    if pieces and pieces[0].tokens <= budget // 3:
        take(0)
    for index in ranking:
        if len(hits) >= most or left < MARK_TOKENS:
            break
        if not take(index):
            continue
        hits.add(index)
        for near in (index + 1, index - 1):
            if 0 <= near < len(pieces) and pieces[near].page == pieces[index].page:
                take(near)
    return sorted(kept), hits


def spread(count: int, most: int = MOST_HITS) -> list[int]:
    """So many of `count` as evenly as can be, where nothing tells which of them matter."""
    most = min(count, most)
    return [(2 * index + 1) * count // (2 * most) for index in range(most)]


class _Page:
    def __init__(self, index: int, text: str, *, rows: bool) -> None:
        self._index = index
        self._text = text
        #: Where code begins and ends, by turns.
        self._fences = [match.start() for match in _FENCE.finditer(text)]
        headings = [match.start() for match in _HEADING.finditer(text)]
        self._headings = [at for at in headings if not self._in_code(at)] if self._fences else headings
        tables = [(0, len(text))] if rows else [match.span() for match in _TABLE.finditer(text)]
        self._tables = tables
        self._table_starts = [start for start, _ in tables]

    def pieces(self) -> Iterator[Piece]:
        text, size = self._text, len(self._text)
        start, guess = 0, _FIRST_GUESS
        while start < size:
            end, tokens = self._reach(start, guess)
            guess = max(1, end - start)
            end = self._cut(start, end, tokens)
            lead = self._lead(start)
            tokens = estimate(text[start:end]) + (estimate(lead) if lead else 0)
            yield Piece(self._index, start, end, tokens, lead)
            start = end

    def _reach(self, start: int, guess: int) -> tuple[int, int]:
        """How far a piece may go at most, and its tokens then. guess: characters of the one before."""
        text, size = self._text, len(self._text)
        length = min(guess, size - start)
        tokens = estimate(text[start : start + length])
        for _ in range(4):
            if tokens > MOST_TOKENS * 3 // 4 or start + length >= size:
                break
            length = min(length * MOST_TOKENS * 9 // (10 * max(1, tokens)), 8 * length, size - start)
            tokens = estimate(text[start : start + length])
        while tokens > MOST_TOKENS and length > 1:
            length = max(1, min(length - 1, length * MOST_TOKENS * 9 // (10 * tokens)))
            tokens = estimate(text[start : start + length])
        return start + length, tokens

    def _cut(self, start: int, end: int, tokens: int) -> int:
        """Where it ends best: before a heading, else as late as can be after what belongs together."""
        text = self._text
        enough = start + (end - start) * LEAST_TOKENS // max(tokens, LEAST_TOKENS)
        heading = bisect_left(self._headings, max(enough, start + 1))
        if heading < len(self._headings) and self._headings[heading] < end:
            return self._headings[heading]
        if end == len(text):
            return end
        middle = start + (end - start) // 2
        blank = text.rfind("\n\n", middle, end)
        while blank >= 0 and self._in_code(blank):
            blank = text.rfind("\n\n", middle, blank)
        if blank >= 0:
            return blank + 2
        line = text.rfind("\n", middle, end) + 1
        if line and (self._in_code(end) or self._table_at(end) is not None):
            return line
        sentence = max((match.end() for match in _SENTENCE.finditer(text, middle, end)), default=0)
        return sentence or line or text.rfind(" ", middle, end) + 1 or end

    def _lead(self, start: int) -> str:
        leads = []
        heading = bisect_right(self._headings, start) - 1
        if heading >= 0 and self._headings[heading] < start:
            leads.append(self._line(self._headings[heading]))
        table = self._table_at(start)
        if table is not None and table < start:
            leads.append(self._line(table))
        return "\n".join(leads)

    def _line(self, start: int) -> str:
        return self._text[start : start + LONGEST_LEAD].partition("\n")[0]

    def _in_code(self, at: int) -> bool:
        return bisect_right(self._fences, at) % 2 == 1

    def _table_at(self, at: int) -> int | None:
        """Where the table begins that goes on here."""
        index = bisect_right(self._table_starts, at) - 1
        if index < 0 or at >= self._tables[index][1]:
            return None
        return self._table_starts[index]


def runs(indices: Sequence[int], pieces: Sequence[Piece]) -> Iterator[Sequence[int]]:
    """Neighbours of one page together, in order."""
    begin = 0
    for at, (one, other) in enumerate(pairwise(indices), 1):
        if other != one + 1 or pieces[one].page != pieces[other].page:
            yield indices[begin:at]
            begin = at
    if indices:
        yield indices[begin:]
