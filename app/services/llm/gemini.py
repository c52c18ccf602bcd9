"""Google's Gemini, by its own API."""

from __future__ import annotations

from app.adapters import gemini
from app.domain.chat import ProviderCall
from app.domain.events import ProviderEvents
from app.services.llm.base import BaseLLMService
from app.services.llm.exchange import exchange
from app.transport.http import Transport
from app.utils.cancel import Cancel
from app.utils.patience import Patience


class GeminiService(BaseLLMService):
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def chat(self, call: ProviderCall, patience: Patience, cancel: Cancel) -> ProviderEvents:
        yield from exchange(self._transport, gemini, gemini.encode(call), call, patience, cancel)
