"""Counting tokens as models do, by vocabularies that a package ships; nothing is looked up on a network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

log = logging.getLogger(__name__)

Count = Callable[[str], int]
Decode = Callable[[list[int]], str]

#: Characters counted one by one; what is longer is scaled, since counting holds the interpreter: 32,000 blanks,
#: the worst there is, take 30 ms.
COUNTED: Final = 32_000


class Vocabularies:
    """Loads each at its first use, 20 to 150 ms and 25 to 53 MB a vocabulary; `load` does it beforehand."""

    def __init__(self) -> None:
        self._counts: dict[str, Count | None] = {}
        self._decoders: dict[str, Decode] = {}

    def load(self, names: Iterable[str]) -> None:
        """Have these ready, so that no request waits for them."""
        for name in names:
            self.count(name)

    def count(self, name: str) -> Count | None:
        """What counts a text by this vocabulary; None where the package does not have it."""
        if name not in self._counts:
            self._counts[name] = _load(name)
        return self._counts[name]

    def decode(self, name: str, tokens: Sequence[int]) -> str:
        """The text of which these are the tokens. Raises ValueError where they are none."""
        if name not in self._decoders:
            from splintr import Tokenizer

            self._decoders[name] = Tokenizer.from_pretrained(name).decode
        return self._decoders[name](list(tokens))


def _load(name: str) -> Count | None:
    from splintr import Tokenizer

    try:
        tokenizer = Tokenizer.from_pretrained(name)
    except ValueError:
        log.warning("there is no vocabulary %s here; its models' tokens are estimated", name)
        return None
    return _counter(tokenizer)


def _counter(tokenizer: Any) -> Count:
    # `encode` would take a marker in a person's text for the marker itself.
    encode = tokenizer.encode_ordinary

    def count(text: str) -> int:
        length = len(text)
        part = text if length <= COUNTED else text[:COUNTED]
        try:
            found = len(encode(part))
        except UnicodeEncodeError:  # a lone surrogate, which is three bytes of nothing
            found = len(encode(part.encode("utf-8", "replace").decode()))
        return found if length <= COUNTED else -(-found * length // COUNTED)

    return count
