"""Pollinations: pictures by an address that says what is to be drawn. No key, no price; the prompt goes to a third
party."""

from __future__ import annotations

import secrets
from urllib.parse import quote, urlencode

from app.adapters.pictures import SIDE, count_of, picture, size_of, wish
from app.domain.chat import ProviderCall
from app.domain.events import Finish, ProviderEvents
from app.services.llm.base import BaseLLMService
from app.services.llm.fetching import fetched
from app.transport.http import HttpRequest, Transport
from app.utils.cancel import Cancel
from app.utils.patience import Patience

LONGEST_PROMPT = 1_500
"""Bytes of a prompt that are sent: it stands in the address, and addresses have an end."""


class PollinationsPictures(BaseLLMService):
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def chat(self, call: ProviderCall, patience: Patience, cancel: Cancel) -> ProviderEvents:
        for _ in range(count_of(call.params)):
            request = HttpRequest("GET", _url(call), {"accept": "image/*"})
            yield picture((yield from fetched(self._transport, request, call.secret, patience, cancel)))
            patience.content()
        yield Finish("stop")


def _url(call: ProviderCall) -> str:
    width, height = size_of(call.params) or (SIDE, SIDE)
    text = wish(call.messages).encode()[:LONGEST_PROMPT].decode("utf-8", "ignore")
    query = urlencode(
        {
            "model": call.model_name,
            "width": width,
            "height": height,
            # Without a new number the same words are answered with the same picture.
            "seed": secrets.randbelow(2**31),
            "nologo": "true",
            "private": "true",
        }
    )
    # A dot would be a step in a path.
    return f"{call.base_url.rstrip('/')}/prompt/{quote(text, safe='').replace('.', '%2E')}?{query}"
