"""A provider's embeddings for what this service compares by itself: memory, pieces of files, near-equal questions."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from app.domain.catalogue import Credential, Provider
from app.domain.chat import Message, ProviderCall
from app.domain.errors import ProviderFault, Unavailable
from app.domain.events import Vectors
from app.services.llm.base import BaseLLMService
from app.utils.cancel import Cancel
from app.utils.patience import Patience

if TYPE_CHECKING:
    from app.domain.embedding import Vector

SECONDS: Final = 30.0
BATCH: Final = 256
LONGEST: Final = 24_000
"""Characters of a text that are sent: of most texts under the 8,192 tokens that such models take."""
SHORT: Final = 4_000
"""Characters of any text that are under it: of one that is refused only so many are sent."""
_REFUSALS: Final = ("invalid_request", "context_length_exceeded", "too_large", "content_filtered")


log = logging.getLogger(__name__)


class _RefusedError(Exception):
    """The provider does not take these texts."""


class ProviderEmbedder:
    """model: the provider's own word. The next key is asked where one is refused or at its limit.

    Nobody is charged for what it asks: it is the installation's own use of its key.
    """

    def __init__(self, service: BaseLLMService, provider: Provider, model: str, *, seconds: float = SECONDS) -> None:
        self.name = f"{provider.integration}/{model}"
        self.dimensions: int | None = None
        self._service = service
        self._provider = provider
        self._model = model
        self._seconds = seconds

    def embed(self, texts: Sequence[str]) -> list[Vector | None]:
        """As `app.domain.embedding.Embedder` says."""
        told = [(place, text[:LONGEST]) for place, text in enumerate(texts) if text.strip()]
        found: list[Vector | None] = [None] * len(texts)
        for start in range(0, len(told), BATCH):
            some = told[start : start + BATCH]
            for (place, _), value in zip(some, self._taken([text for _, text in some]), strict=True):
                found[place] = None if value is None else self._vector(value)
        return found

    def _taken(self, texts: Sequence[str]) -> Sequence[bytes | None]:
        """One that the provider does not take, or all of them being too much at once, keeps nobody else's from being
        made: they are asked for by halves. None for one that is refused alone."""
        try:
            return self._asked(texts)
        except _RefusedError:
            pass
        try:
            self._asked(["text"])
        except _RefusedError as refused:  # whatever they say: it is not them
            raise Unavailable(f"{self.name} takes no texts") from refused
        return self._halved(texts)

    def _halved(self, texts: Sequence[str]) -> list[bytes | None]:
        if len(texts) > 1:
            half = len(texts) // 2
            return [*self._whole(texts[:half]), *self._whole(texts[half:])]
        if len(texts[0]) > SHORT:
            return self._whole([texts[0][:SHORT]])
        log.warning("%s does not take a text of %d characters: it gets no vector", self.name, len(texts[0]))
        return [None]

    def _whole(self, texts: Sequence[str]) -> list[bytes | None]:
        try:
            return list(self._asked(texts))
        except _RefusedError:
            return self._halved(texts)

    def _asked(self, texts: Sequence[str]) -> tuple[bytes, ...]:
        """Raises _RefusedError where it is these texts that are not taken, Unavailable."""
        last: ProviderFault | None = None
        for key in self._keys():
            call = ProviderCall(
                model_name=self._model,
                base_url=self._provider.base_url,
                secret=key.secret if key else None,
                messages=tuple(Message("user", text) for text in texts),
                stream=False,
            )
            patience = Patience(
                deadline=time.monotonic() + self._seconds, first=self._seconds, stall=self._seconds, tick=self._seconds
            )
            try:
                for event in self._service.chat(call, patience, Cancel()):
                    if isinstance(event, Vectors):
                        return event.values
            except ProviderFault as fault:
                last = fault
                if fault.kind in _REFUSALS:
                    raise _RefusedError from fault
                if fault.kind not in ("rate_limited", "key_rejected"):
                    break
        raise Unavailable(f"{self.name} makes no vectors now ({last.kind if last else 'it said none'})")

    def _keys(self) -> Iterator[Credential | None]:
        yield from self._provider.credentials or (None,)

    def _vector(self, value: bytes) -> Vector | None:
        import numpy as np

        vector = np.frombuffer(value, "<f4").astype(np.float32)
        length = float(np.linalg.norm(vector))
        self.dimensions = len(vector)
        return vector / np.float32(length) if length else None
