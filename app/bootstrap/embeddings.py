"""What texts are compared by."""

from __future__ import annotations

from app.domain.embedding import Embedder
from app.stores.embedder import WordLlamaEmbedder
from app.utils.lifecycle import Lifecycle


def embedder_of(lifecycle: Lifecycle) -> Embedder:
    built = WordLlamaEmbedder()
    lifecycle.on_close("embedder", built.close)
    return built
