"""Vectors of whoever speaks OpenAI's `/embeddings`."""

from __future__ import annotations

from typing import Any

from app.adapters.embeddings import texts_of, vectors_of
from app.adapters.wire import as_json, json_object, usage_of
from app.domain.chat import ProviderCall
from app.domain.events import Finish, ProviderEvents, UsageReport
from app.services.llm.base import BaseLLMService
from app.services.llm.fetching import fetched
from app.transport.http import HttpRequest, Transport
from app.utils.cancel import Cancel
from app.utils.patience import Patience


class OpenAIEmbeddings(BaseLLMService):
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def chat(self, call: ProviderCall, patience: Patience, cancel: Cancel) -> ProviderEvents:
        texts = texts_of(call.messages)
        body: dict[str, Any] = {"model": call.model_name, "input": texts}
        if call.params.get("dimensions") is not None:
            body["dimensions"] = call.params["dimensions"]
        headers = {"content-type": "application/json"}
        if call.secret:
            headers["authorization"] = f"Bearer {call.secret}"
        request = HttpRequest("POST", call.base_url.rstrip("/") + "/embeddings", headers, as_json(body))
        reply = json_object((yield from fetched(self._transport, request, call.secret, patience, cancel)))
        yield vectors_of(reply, len(texts))
        told = reply.get("usage")
        usage = usage_of(told.get("prompt_tokens"), 0) if isinstance(told, dict) else None
        if usage is not None:
            yield UsageReport(usage)
        yield Finish("stop")
