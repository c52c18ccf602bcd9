"""Short texts of others that may be HTML, as one line of what a reader sees of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

from app.domain.policies.quoting import HIDDEN

#: In one pass over the text, whatever it holds; the parser of the standard library is neither quick nor safe there.
_MARK: Final = re.compile(r"(<!--)|(-->)|<(/?)([A-Za-z][\w:-]*)([^<>]*)>")
_UNSEEN: Final = frozenset(["script", "style", "template", "noscript", "iframe", "object", "svg", "head", "title"])
_VOID: Final = frozenset(["br", "hr", "img", "input", "link", "meta", "wbr"])
_WITHIN_WORDS: Final = frozenset(["b", "strong", "em", "i", "mark", "span", "a", "u", "small", "sup", "sub", "wbr"])
_HIDES: Final = re.compile(r"\b(?:hidden|style)\b", re.IGNORECASE)


def plain_line(text: str) -> str:
    """Without tags, comments and invisible characters. What may be hidden, by a style too, counts as hidden."""
    return " ".join(HIDDEN.sub("", unescape("".join(_seen(text)))).split())


def _seen(text: str) -> Iterator[str]:
    """The pieces that are shown. Of an element that hides, or a comment, that does not end all that follows is
    hidden."""
    at, hiding, depth = 0, "", 0
    for mark in _MARK.finditer(text):
        if not hiding:
            yield text[at : mark.start()]
        at = mark.end()
        begins, ends, closes, name, attributes = mark.groups()
        tag = (name or "").lower()
        if hiding == "<!--":
            hiding = "" if ends else hiding
        elif hiding:
            depth += (tag == hiding) * (-1 if closes else 1)
            hiding = hiding if depth else ""
        elif begins:
            hiding = "<!--"
        elif tag in _UNSEEN or (tag not in _VOID and not closes and _HIDES.search(attributes or "")):
            hiding, depth = ("", 0) if closes else (tag, 1)
        elif tag not in _WITHIN_WORDS:
            yield " "
    if not hiding:
        yield text[at:]
