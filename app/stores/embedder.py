"""Embeddings without a provider: WordLlama's table of 256 dimensions, out of its own wheel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from app.utils.pools import ThreadLane

if TYPE_CHECKING:
    from app.domain.embedding import Vector

NAME: Final = "wordllama-256"
DIMENSIONS: Final = 256
#: Characters of a text that are read; an average of so many words hardly moves any more.
LONGEST: Final = 65_536
#: Characters that are taken apart at once: its tokenizer holds the interpreter for 0.6 ms a thousand of them.
PIECE: Final = 4_096
#: Spaces near the end of a piece are looked for in so many characters.
NEAR: Final = 256


class WordLlamaEmbedder:
    """Loaded at its first use (0.8 s, 80 MB) and then 25 microseconds a sentence, in one native thread of its own.

    It knows nothing of order or negation: a vector is the average of a text's words.
    """

    name = NAME
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        self._lane = ThreadLane(1)

    def embed(self, texts: Sequence[str]) -> list[Vector | None]:
        """As `app.domain.embedding.Embedder` says; of a text the first LONGEST characters."""
        return [vector for vector, _ in self.measured(texts)]

    def measured(self, texts: Sequence[str]) -> list[tuple[Vector | None, int]]:
        """The same, each with the tokens that were read."""
        if not texts:
            return []
        return self._lane.run(lambda: [self._embed(text) for text in texts])

    def close(self) -> None:
        """End its thread."""
        self._lane.close()

    def _embed(self, text: str) -> tuple[Vector | None, int]:
        import numpy as np

        model = _loaded()
        total, tokens = np.zeros(DIMENSIONS, np.float32), 0
        for piece in _pieces(text):
            ids = np.array(model.tokenizer.encode(piece, add_special_tokens=False).ids, np.int32)
            total += model.embedding[ids].sum(axis=0)
            tokens += len(ids)
        length = float(np.linalg.norm(total))
        return (total / np.float32(length) if length else None), tokens


def _pieces(text: str) -> Iterator[str]:
    """Cut before a space where there is one, since the tokenizer takes the start of a text for a word's start."""
    at, end = 0, min(len(text), LONGEST)
    while at < end:
        cut = min(at + PIECE, end)
        if cut < end:
            space = text.rfind(" ", cut - NEAR, cut)
            cut = space if space > at else cut
        piece = text[at:cut].strip()
        # A lone surrogate is no text to the tokenizer.
        if piece:
            yield piece.encode("utf-8", "replace").decode("utf-8")
        at = cut


@cache
def _loaded() -> Any:
    """One a process: its table is 33 MB."""
    from pathlib import Path

    import wordllama

    folder = Path(wordllama.__file__).parent
    return wordllama.WordLlama.load(dim=DIMENSIONS, cache_dir=folder, disable_download=True)
