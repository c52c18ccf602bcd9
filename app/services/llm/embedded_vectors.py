"""Vectors without a provider."""

from __future__ import annotations

from app.adapters.embeddings import texts_of
from app.domain.chat import ProviderCall
from app.domain.errors import ProviderFault
from app.domain.events import Finish, ProviderEvents, UsageReport, Vectors
from app.domain.usage import Usage
from app.services.llm.base import BaseLLMService
from app.stores.embedder import DIMENSIONS, WordLlamaEmbedder
from app.utils.cancel import Cancel
from app.utils.patience import Patience


class EmbeddedVectors(BaseLLMService):
    def __init__(self) -> None:
        self._embedder = WordLlamaEmbedder()

    def chat(self, call: ProviderCall, patience: Patience, cancel: Cancel) -> ProviderEvents:
        wanted = call.params.get("dimensions") or DIMENSIONS
        if wanted > DIMENSIONS:
            raise ProviderFault("invalid_request", f"{call.model_name} has {DIMENSIONS} dimensions", sent=False)
        found = self._embedder.measured(texts_of(call.messages))
        values = []
        for vector, _ in found:
            if vector is None:
                raise ProviderFault("invalid_request", "a text has nothing in it to be embedded", sent=False)
            # Its first dimensions are trained to stand for all of them.
            short = vector[:wanted]
            values.append((short / ((short @ short) ** 0.5)).astype("<f4").tobytes())
        patience.content()
        yield Vectors(tuple(values))
        yield UsageReport(Usage(prompt=sum(tokens for _, tokens in found)))
        yield Finish("stop")
