"""From a provider's row to the service that speaks its wire."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from app.factories.catalogue import CATALOGUE, ProviderRow, Wire, row_of
from app.services.llm.anthropic import AnthropicService
from app.services.llm.base import BaseLLMService
from app.services.llm.demo import DemoService
from app.services.llm.gemini import GeminiService
from app.services.llm.openai_family import OpenAIFamilyService
from app.transport.http import Transport

_SERVICES: Mapping[Wire, Callable[[Transport, ProviderRow], BaseLLMService]] = {
    "openai": lambda transport, row: OpenAIFamilyService(transport, row.dialect),
    "gemini": lambda transport, row: GeminiService(transport),
    "anthropic": lambda transport, row: AnthropicService(transport),
    "demo": lambda transport, row: DemoService(),
}


class LLMServiceFactory:
    """Makes each provider's service at its first use and keeps it. rows: the catalogue."""

    def __init__(self, transport: Transport, rows: Mapping[str, ProviderRow] = CATALOGUE) -> None:
        self._transport = transport
        self._rows = rows
        self._services: dict[str, BaseLLMService] = {}

    def service(self, integration: str) -> BaseLLMService:
        """The service of a provider; one that is in no row was added at run time and speaks OpenAI's wire."""
        known = self._services.get(integration)
        if known is None:
            row = row_of(integration, self._rows)
            known = _SERVICES[row.wire](self._transport, row)
            if integration in self._rows:
                self._services[integration] = known
        return known
