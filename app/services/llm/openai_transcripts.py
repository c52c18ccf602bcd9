"""What was said in a recording, of whoever speaks OpenAI's `/audio/transcriptions`."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

from app.adapters import transcripts
from app.domain.chat import ProviderCall
from app.domain.events import ProviderEvents
from app.services.llm.base import BaseLLMService
from app.services.llm.fetching import fetched
from app.services.llm.recordings import content_of
from app.transport.http import HttpRequest, Transport
from app.utils.cancel import Cancel
from app.utils.patience import Patience


class OpenAITranscripts(BaseLLMService):
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def chat(self, call: ProviderCall, patience: Patience, cancel: Cancel) -> ProviderEvents:
        part = transcripts.recording(call)
        content = content_of(part)
        boundary = secrets.token_hex(16)
        headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
        if call.secret:
            headers["authorization"] = f"Bearer {call.secret}"
        name, kind = transcripts.file_name(part), part.content_type or "application/octet-stream"
        body = b"".join(_form(boundary, transcripts.fields(call), name, kind, content))
        request = HttpRequest("POST", call.base_url.rstrip("/") + "/audio/transcriptions", headers, body)
        reply = yield from fetched(self._transport, request, call.secret, patience, cancel)
        yield from transcripts.events(reply, len(content), part.seconds)


def _form(boundary: str, fields: dict[str, Any], name: str, kind: str, content: bytes) -> Iterator[bytes]:
    mark = f"--{boundary}\r\nContent-Disposition: form-data; name="
    for field, value in fields.items():
        many = isinstance(value, list)
        for one in value if many else [value]:
            yield f'{mark}"{field}{"[]" if many else ""}"\r\n\r\n{one}\r\n'.encode()
    yield f'{mark}"file"; filename="{name}"\r\nContent-Type: {kind}\r\n\r\n'.encode()
    yield content
    yield f"\r\n--{boundary}--\r\n".encode()
