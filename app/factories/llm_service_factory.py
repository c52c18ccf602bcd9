"""From a provider's row to the service that speaks its wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.domain.chat import Work
from app.domain.errors import ProviderFault
from app.factories.catalogue import CATALOGUE, ProviderRow, Wire, row_of
from app.services.llm.anthropic import AnthropicService
from app.services.llm.base import BaseLLMService
from app.services.llm.demo import DemoService
from app.services.llm.demo_pictures import DemoPictures
from app.services.llm.embedded_vectors import EmbeddedVectors
from app.services.llm.gemini import GeminiService
from app.services.llm.google_sdk import GeminiPictures
from app.services.llm.groq_sdk import GroqTranscripts
from app.services.llm.openai_embeddings import OpenAIEmbeddings
from app.services.llm.openai_family import OpenAIFamilyService
from app.services.llm.openai_pictures import OpenAIPictures
from app.services.llm.openai_transcripts import OpenAITranscripts
from app.services.llm.pollinations import PollinationsPictures
from app.transport.http import Transport

_TRANSCRIPTS: Mapping[str | None, Callable[[Transport], BaseLLMService]] = {
    None: OpenAITranscripts,
    "groq": GroqTranscripts,
}
_SERVICES: Mapping[tuple[Wire, Work], Callable[[Transport, ProviderRow], BaseLLMService]] = {
    ("openai", "chat"): lambda transport, row: OpenAIFamilyService(transport, row.dialect),
    ("gemini", "chat"): lambda transport, row: GeminiService(transport),
    ("anthropic", "chat"): lambda transport, row: AnthropicService(transport),
    ("demo", "chat"): lambda transport, row: DemoService(),
    ("openai", "picture"): lambda transport, row: OpenAIPictures(transport),
    ("gemini", "picture"): lambda transport, row: GeminiPictures(transport),
    ("pollinations", "picture"): lambda transport, row: PollinationsPictures(transport),
    ("demo", "picture"): lambda transport, row: DemoPictures(),
    ("openai", "transcript"): lambda transport, row: _TRANSCRIPTS[row.sdk](transport),
    ("openai", "embedding"): lambda transport, row: OpenAIEmbeddings(transport),
    ("embedded", "embedding"): lambda transport, row: EmbeddedVectors(),
}


class LLMServiceFactory:
    """Makes each provider's service at its first use and keeps it. rows: the catalogue."""

    def __init__(self, transport: Transport, rows: Mapping[str, ProviderRow] = CATALOGUE) -> None:
        self._transport = transport
        self._rows = rows
        self._services: dict[tuple[str, Work], BaseLLMService] = {}

    def service(self, integration: str, work: Work = "chat") -> BaseLLMService:
        """A provider's service for this work; one that is in no row was added at run time and speaks OpenAI's wire.

        Raises ProviderFault where the wire has no words for it, whatever the model's row says it can.
        """
        known = self._services.get((integration, work))
        if known is None:
            row = row_of(integration, self._rows)
            make = _SERVICES.get((row.wire, work))
            if make is None:
                raise ProviderFault("bad_reply", f"{row.name} cannot be asked for a {work}", sent=False)
            known = make(self._transport, row)
            if integration in self._rows:
                self._services[integration, work] = known
        return known
