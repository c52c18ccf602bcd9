"""Google's Gemini, by its own API."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from app.adapters import gemini
from app.domain.chat import Message, ProviderCall, VideoPart
from app.domain.errors import ProviderFault
from app.domain.events import ProviderEvents
from app.domain.policies.earlier import shown_to
from app.services.llm.aside import aside
from app.services.llm.base import BaseLLMService
from app.services.llm.exchange import exchange
from app.services.llm.gemini_files import GeminiFiles
from app.transport.http import Transport
from app.utils.cancel import Cancel
from app.utils.patience import Patience

log = logging.getLogger(__name__)

MOST_INLINE = 10 * 2**20
"""Bytes of videos that go in the request itself: as base64 they stay below Google's 20 MB with room for the rest."""


class GeminiService(BaseLLMService):
    """most_inline: bytes of videos up to which they go in the request; larger ones are put into Google's store first,
    and are gone from there afterwards. Where that fails their frames are sent."""

    def __init__(self, transport: Transport, *, most_inline: int = MOST_INLINE) -> None:
        self._transport = transport
        self._most_inline = most_inline

    def chat(self, call: ProviderCall, patience: Patience, cancel: Cancel) -> ProviderEvents:
        size = sum(len(part.data) for message in call.messages for part in _videos(message))
        if size <= self._most_inline:
            yield from exchange(self._transport, gemini, gemini.encode(call), call, patience, cancel)
            return
        files = GeminiFiles(self._transport, call, patience.deadline, cancel)
        try:
            began = time.monotonic()
            try:
                messages = yield from aside(lambda: _kept(call.messages, files), patience)
            except ProviderFault as fault:
                if fault.kind == "cancelled" or cancel.reason is not None:
                    raise
                log.warning("a video is sent by its frames: %s", fault.message)
                messages = shown_to(call.messages, sees=True)
            patience.rest(time.monotonic() - began)
            asked = replace(call, messages=messages)
            yield from exchange(self._transport, gemini, gemini.encode(asked), asked, patience, cancel)
        finally:
            files.forget()


def _videos(message: Message) -> tuple[VideoPart, ...]:
    content = message.content
    return tuple(part for part in content if isinstance(part, VideoPart)) if isinstance(content, tuple) else ()


def _kept(messages: tuple[Message, ...], files: GeminiFiles) -> tuple[Message, ...]:
    """The prompt with each video where the provider keeps it. Raises ProviderFault."""
    return tuple(
        replace(
            message,
            content=tuple(
                replace(part, data=b"", uri=files.keep(part.data, part.content_type))
                if isinstance(part, VideoPart)
                else part
                for part in message.content
            ),
        )
        if isinstance(message.content, tuple)
        else message
        for message in messages
    )
