"""What a search engine is asked for a question."""

from __future__ import annotations

import re
from typing import Final

from app.domain.policies.quoting import HIDDEN

LONGEST: Final = 200
"""Characters of a query; engines cut or refuse what is much longer."""
MOST_OF_BEFORE: Final = 100
MOST_READ: Final = 4_000
"""Characters at each end of a question."""
MOST_LINKS: Final = 3
_LINK = re.compile(r"\bhttps?://[^\s<>\"`\[\]{}|^]+", re.IGNORECASE)
_CODE = re.compile(r"```.*?(?:```|\Z)", re.DOTALL)
#: SearXNG takes words that begin so for commands: another engine, a language, a time limit, another site.
_COMMANDS = re.compile(r"(?<!\S)[!:<?]+")
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]?")
_GOES_ON = re.compile(
    r"(?:and|but|or|so|then|what about|how about|which one|und|aber|oder|was ist mit|et|mais|pero|y)\b", re.IGNORECASE
)
_POINTS_BACK = re.compile(
    r"\b(?:it|its|he|his|him|she|her|they|their|them|this|that|these|those|there|then|one|ones|"
    r"er|sie|es|ihn|ihm|ihr|ihre|sein|seine|davon|dort|il|elle|ils|elles|lui|leur|él|ella|ellos|su|sus)\b",
    re.IGNORECASE,
)


def clipped(question: str) -> str:
    """The beginning and the end of one that is a book, where what is asked stands."""
    if len(question) <= 2 * MOST_READ:
        return question
    return f"{question[:MOST_READ]}\n{question[-MOST_READ:]}"


def links_in(question: str) -> tuple[str, ...]:
    """Addresses that the user names, each once, without what ends the sentence."""
    found = (link.rstrip(".,;:!?'\"") for link in _LINK.findall(question))
    return tuple(dict.fromkeys(link.removesuffix(")") if "(" not in link else link for link in found))[:MOST_LINKS]


def query_of(question: str, before: str = "") -> str:
    """before: what the user said last in this conversation; it leads where the question does not stand by itself."""
    asked = plain_query(_CODE.sub(" ", question)) or plain_query(question)
    if before and _is_elliptic(asked):
        lead = plain_query(_CODE.sub(" ", before))[:MOST_OF_BEFORE].rsplit(" ", 1)[0]
        return plain_query(f"{lead} {asked}")
    return asked


def plain_query(text: str) -> str:
    """In one line of at most LONGEST characters, without commands to the engine; of a long text its last question."""
    line = _line(text)
    if len(line) <= LONGEST:
        return line
    questions = [found for found in map(_line, _SENTENCE.findall(text)) if found.endswith("?")]
    if questions and 10 <= len(questions[-1]) <= LONGEST:
        return questions[-1]
    return line[:LONGEST].rsplit(" ", 1)[0]


def _line(text: str) -> str:
    return " ".join(_COMMANDS.sub("", HIDDEN.sub("", text)).split())


def _is_elliptic(question: str) -> bool:
    words = len(question.split())
    return words <= 2 or bool(_GOES_ON.match(question)) or (words <= 10 and bool(_POINTS_BACK.search(question)))
