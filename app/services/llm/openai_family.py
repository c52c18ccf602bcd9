"""OpenAI, Groq, Grok, Ollama, Ngrok and whoever else speaks OpenAI's chat completions."""

from __future__ import annotations

from app.adapters import openai_chat
from app.adapters.openai_chat import Dialect
from app.domain.chat import ProviderCall
from app.domain.events import ProviderEvents
from app.services.llm.base import BaseLLMService
from app.services.llm.exchange import exchange
from app.transport.http import Transport
from app.utils.cancel import Cancel
from app.utils.patience import Patience


class OpenAIFamilyService(BaseLLMService):
    def __init__(self, transport: Transport, dialect: Dialect | None = None) -> None:
        self._transport = transport
        self._dialect = dialect or Dialect()

    def chat(self, call: ProviderCall, patience: Patience, cancel: Cancel) -> ProviderEvents:
        encoded = openai_chat.encode(call, self._dialect)
        yield from exchange(self._transport, openai_chat, encoded, call, patience, cancel)
