"""What a web search finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hit:
    """What a search engine gives: all of it is others' word, its url too. summary: what it says of the page, or ""."""

    url: str
    title: str
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """at: its place among the page's passages. words: how many of the words looked for stand in it."""

    at: int
    text: str
    words: int


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A page and what of it is used: passages in their order, or what the engine says of it."""

    url: str
    title: str
    text: str
