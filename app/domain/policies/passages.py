"""A long text cut into passages, and those of them that fit a question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from itertools import pairwise
from typing import Final

from app.domain.policies.tokens import size_of
from app.domain.search import Passage

SIZE: Final = 600
"""Characters after which a passage ends with its line."""
LONGEST: Final = 900
FAR_BEHIND: Final = 0.5
GAP: Final = "\n[…]\n"
_WORD = re.compile(r"\w{2,}")
_SENTENCE_END = re.compile(r"[.!?。！？]\s|[。！？]")
#: Words that stand in any text.
_COMMON: Final = frozenset(
    _WORD.findall(
        "an and are as at be by can could did do does for from had has have he her his how if in is it its me my of on "
        "or our she should so than that the their them then there they this to us was we were what when where which "
        "who why will with would you your der die das den dem des ein eine einer und oder ist sind war was wer wie wo "
        "warum im zu mit von auf für le la les un une des et ou est que qui dans el los las es en del por con"
    )
)


def words_of(text: str) -> frozenset[str]:
    """The words of a question by which a passage is told to be about it."""
    return frozenset(_WORD.findall(text.casefold())) - _COMMON


def cut(text: str) -> Iterator[str]:
    """Passages in their order: whole lines where they are short, sentences of those that are long."""
    lines: list[str] = []
    size = 0
    for line in text.split("\n"):
        for piece in _pieces(line.strip()):
            if lines and size + len(piece) > LONGEST:
                yield "\n".join(lines)
                lines, size = [], 0
            lines.append(piece)
            size += len(piece) + 1
        if size >= SIZE:
            yield "\n".join(lines)
            lines, size = [], 0
    if lines:
        yield "\n".join(lines)


def likely(texts: Iterator[str], words: Set[str], most: int) -> list[Passage]:
    """Those that have the most of the words, in their order in the text; the earlier where they are equal."""
    found = [Passage(at, text, len(words & set(_WORD.findall(text.casefold())))) for at, text in enumerate(texts)]
    best = sorted(found, key=lambda passage: -passage.words)[:most]
    return sorted(best, key=lambda passage: passage.at)


def joined(passages: Sequence[Passage], scores: Sequence[float], room: int) -> str:
    """The best of them, as many as have room in so many bytes, in the order of the text; none far behind the best."""
    kept: list[Passage] = []
    best = max(scores, default=0.0)
    enough = FAR_BEHIND * best if best > 0 else best
    for index in sorted(range(len(passages)), key=lambda index: -scores[index]):
        if scores[index] < enough:
            break
        size = size_of(passages[index].text) + len(GAP.encode())
        if size <= room:
            kept.append(passages[index])
            room -= size
    kept.sort(key=lambda passage: passage.at)
    out = [passage.text for passage in kept[:1]]
    for before, passage in pairwise(kept):
        out += ("\n" if passage.at == before.at + 1 else GAP, passage.text)
    return "".join(out)


def _pieces(line: str) -> Iterator[str]:
    """A line in parts of at most LONGEST characters, ended with a sentence or a word where there is one."""
    while len(line) > LONGEST:
        ends = [found.end() for found in _SENTENCE_END.finditer(line, 0, LONGEST)]
        end = next((end for end in reversed(ends) if end >= SIZE // 2), 0) or line.rfind(" ", SIZE, LONGEST) + 1
        yield line[: end or LONGEST].strip()
        line = line[end or LONGEST :].strip()
    if line:
        yield line
