"""Pictures of whoever speaks OpenAI's `/images/generations`."""

from __future__ import annotations

from typing import Any

from app.adapters.pictures import count_of, pictures_of, size_of, wish
from app.adapters.wire import as_json, json_object, usage_of
from app.domain.chat import ProviderCall
from app.domain.events import Finish, ProviderEvents, UsageReport
from app.services.llm.base import BaseLLMService
from app.services.llm.fetching import fetched
from app.transport.http import HttpRequest, Transport
from app.utils.cancel import Cancel
from app.utils.patience import Patience


class OpenAIPictures(BaseLLMService):
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def chat(self, call: ProviderCall, patience: Patience, cancel: Cancel) -> ProviderEvents:
        headers = {"content-type": "application/json"}
        if call.secret:
            headers["authorization"] = f"Bearer {call.secret}"
        request = HttpRequest("POST", call.base_url.rstrip("/") + "/images/generations", headers, as_json(_body(call)))
        reply = json_object((yield from fetched(self._transport, request, call.secret, patience, cancel)))
        yield from pictures_of(reply)
        told = reply.get("usage")
        usage = usage_of(told.get("input_tokens"), told.get("output_tokens")) if isinstance(told, dict) else None
        if usage is not None:
            yield UsageReport(usage)
        yield Finish("stop")


def _body(call: ProviderCall) -> dict[str, Any]:
    body: dict[str, Any] = {"model": call.model_name, "prompt": wish(call.messages), "n": count_of(call.params)}
    size = size_of(call.params)
    if size is not None:
        body["size"] = f"{size[0]}x{size[1]}"
    if not call.model_name.startswith("gpt-image"):  # they send data whatever is said, and refuse to be told
        body["response_format"] = "b64_json"
    return body
