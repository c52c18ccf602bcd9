"""Pictures by Google's Gemini models: `generateContent` through Google's own SDK, over our transport.

The SDK takes 1.5 s to import: it is loaded at its first use, in a thread, while the loop goes on.
"""

from __future__ import annotations

import base64
import ssl
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from app.adapters import faults
from app.adapters.gemini import BROKEN, FINISH
from app.adapters.pictures import aspect, count_of, picture, size_of
from app.adapters.wire import plain_text, split_data_url
from app.domain.chat import AudioPart, ImagePart, Message, Part, ProviderCall, TextPart
from app.domain.errors import ProviderFault
from app.domain.events import Delta, Finish, ProviderEvent, ProviderEvents, UsageReport
from app.domain.usage import Usage, sum_of
from app.services.llm.aside import aside
from app.services.llm.base import BaseLLMService
from app.transport.http import Transport
from app.utils.cancel import Cancel
from app.utils.patience import Patience
from app.utils.pools import ThreadLane

if TYPE_CHECKING:
    from google.genai.types import Candidate, Content, GenerateContentResponse, GenerateContentResponseUsageMetadata
    from google.genai.types import Part as GooglePart

#: What the models offer.
RATIOS = ("1:1", "3:2", "2:3", "4:3", "3:4", "16:9", "9:16", "5:4", "4:5", "21:9")
#: Ends that Gemini has for pictures, and that mean that there is none.
NO_PICTURE = BROKEN | {"NO_IMAGE", "IMAGE_OTHER", "IMAGE_RECITATION", "OTHER"}

_lane = ThreadLane(1)


def _load() -> None:
    from google import genai  # noqa: F401 - at first use

    from app.transport import under_sdk  # noqa: F401 - it brings httpx along


class GeminiPictures(BaseLLMService):
    """Draws what the conversation's newest turn asks for, with what came before in sight."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def chat(self, call: ProviderCall, patience: Patience, cancel: Cancel) -> ProviderEvents:
        began = time.monotonic()
        _lane.run(_load)
        patience.rest(time.monotonic() - began)
        usages: list[Usage] = []
        for _ in range(count_of(call.params)):
            reply = yield from aside(lambda: _asked(self._transport, call, patience, cancel), patience)
            yield from _events(reply, usages)
            patience.content()
        if usages:
            yield UsageReport(sum_of(usages))
        yield Finish("stop")


def _asked(transport: Transport, call: ProviderCall, patience: Patience, cancel: Cancel) -> GenerateContentResponse:
    """One reply. Raises ProviderFault, whatever the SDK raises."""
    from google import genai
    from google.genai import errors, types

    from app.transport.under_sdk import UnderSdk

    seam = UnderSdk(transport, call.base_url, patience, cancel)
    with seam.client() as http:
        options = types.HttpOptions(
            base_url=call.base_url,
            httpx_client=http,
            httpx_async_client=seam.no_client(),
            # It makes TLS contexts for sockets that are never opened: this one trusts nobody and reads no certificates.
            async_client_args={"ssl": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)},
        )
        # A key is never looked for in the environment, nor is Vertex.
        client = genai.Client(api_key=call.secret or "none", vertexai=False, http_options=options)
        try:
            return client.models.generate_content(
                model=call.model_name,
                contents=[turn for message in call.messages if (turn := _turn(message))],
                config=types.GenerateContentConfig(**_config(call)),
            )
        except ProviderFault:
            raise
        except (errors.APIError, ValueError, TypeError) as said:
            if seam.fault is not None:
                raise seam.fault from said
            if seam.status and not 200 <= seam.status < 300:
                raise faults.refused(seam.status, seam.headers, seam.body, call.secret) from said
            what = faults.masked(str(said), call.secret)
            raise ProviderFault("bad_reply", f"the reply cannot be read: {what}", status=seam.status or None) from said


def _config(call: ProviderCall) -> dict[str, Any]:
    config: dict[str, Any] = {"response_modalities": ["TEXT", "IMAGE"]}
    system = [plain_text(m) for m in call.messages if m.role in ("system", "developer")]
    if system:
        config["system_instruction"] = "\n\n".join(system)
    if call.params.get("temperature") is not None:
        config["temperature"] = call.params["temperature"]
    size = size_of(call.params)
    if size is not None:
        config["image_config"] = {"aspect_ratio": aspect(size, RATIOS)}
    return config


def _turn(message: Message) -> Content | None:
    from google.genai import types

    if message.role in ("system", "developer", "tool"):
        return None
    content = message.content
    parts = [_part(part) for part in content] if isinstance(content, tuple) else [_part(TextPart(content or " "))]
    return types.Content(role="model" if message.role == "assistant" else "user", parts=parts)


def _part(part: Part) -> GooglePart:
    from google.genai import types

    match part:
        case TextPart(text):
            return types.Part(text=text or " ")
        case ImagePart(url):
            media_type, data = split_data_url(url)
        case AudioPart(data, form):
            media_type = f"audio/{form}"
        case _:
            raise TypeError("a file is looked at before a provider is asked")
    return types.Part(inline_data=types.Blob(mime_type=media_type, data=base64.b64decode(data)))


def _events(reply: GenerateContentResponse, usages: list[Usage]) -> Iterator[ProviderEvent]:
    """What one reply says and draws. Raises ProviderFault where there is no picture in it."""
    blocked = reply.prompt_feedback.block_reason if reply.prompt_feedback else None
    if blocked:
        raise ProviderFault("content_filtered", f"the provider refused the prompt: {blocked.value}", status=200)
    candidate = reply.candidates[0] if reply.candidates else None
    if candidate is None:
        raise ProviderFault("bad_reply", "the reply has no candidate", status=200)
    said = [_said(part) for part in (candidate.content.parts if candidate.content else None) or ()]
    events = [event for event in said if event is not None]
    if all(isinstance(event, Delta) for event in events):
        raise _without(candidate, "".join(event.text for event in events if isinstance(event, Delta)))
    usage = _usage(reply.usage_metadata)
    if usage is not None:
        usages.append(usage)
    yield from events


def _said(part: Any) -> ProviderEvent | None:
    if part.inline_data is not None and part.inline_data.data:
        return picture(part.inline_data.data)
    if part.text:
        return Delta(reasoning=part.text) if part.thought else Delta(part.text)
    return None


def _without(candidate: Candidate, said: str) -> ProviderFault:
    reason = candidate.finish_reason.value if candidate.finish_reason else ""
    if FINISH.get(reason) == "content_filter":
        return ProviderFault("content_filtered", f"the provider refused to draw this: {reason}", status=200)
    why = reason if reason in NO_PICTURE else faults.masked(said) or reason
    return ProviderFault("bad_reply", f"the model drew nothing: {why}", status=200)


def _usage(told: GenerateContentResponseUsageMetadata | None) -> Usage | None:
    if told is None or told.prompt_token_count is None:
        return None
    thoughts = told.thoughts_token_count or 0
    drawn = sum(d.token_count or 0 for d in told.candidates_tokens_details or () if str(d.modality).endswith("IMAGE"))
    completion = (told.candidates_token_count or 0) + thoughts
    counts = (told.prompt_token_count, completion, thoughts, drawn)
    if min(counts) < 0 or drawn > completion:
        return None
    return Usage(told.prompt_token_count, completion, reasoning=thoughts, picture_tokens=drawn)
