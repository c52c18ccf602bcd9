"""Pictures that a prompt points to: fetched by us, under guard, and sent on as data."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace

from app.domain.chat import ImagePart, Message, Part
from app.domain.errors import (
    DomainError,
    InvalidRequest,
    Overloaded,
    ProviderFault,
    TooLarge,
    Unavailable,
    UnsupportedMedia,
)
from app.domain.events import Notice, Silence
from app.services.chat.enrichment import silences
from app.services.chat.run import ChatRun
from app.services.media.kinds import PICTURES
from app.transport.fetcher import GuardedFetcher
from app.transport.stoppable import stoppable
from app.utils.cancel import Cancel
from app.utils.content_type import HEAD, type_of_head
from app.utils.together import together

MAX_LINKS = 20
"""Different addresses in one prompt."""
MAX_BYTES, MAX_BYTES_IN_ALL = 10 * 2**20, 32 * 2**20
SECONDS, SECONDS_IN_ALL = 10.0, 20.0
AT_ONCE = 4


class LinkedPictures:
    """The enrichment that puts `data:` URLs in the place of `https:` ones."""

    def __init__(self, fetcher: GuardedFetcher) -> None:
        self._fetcher = fetcher

    def wanted(self, chat: ChatRun) -> bool:
        return any(
            is_link(part)
            for message in chat.request.messages
            if type(message.content) is tuple
            for part in message.content
        )

    def enrich(self, chat: ChatRun, cancel: Cancel) -> Iterator[Notice | Silence]:
        """Raises naming the part: InvalidRequest for what cannot be had, TooLarge, UnsupportedMedia for what is no
        picture; Overloaded, and Unavailable where it was stopped."""
        places = _places(chat.prompt)
        fetched = yield from silences(lambda: self._fetch_all(places, cancel))
        chat.set_prompt(_with_data(chat.prompt, fetched))

    def _fetch_all(self, places: Mapping[str, str], cancel: Cancel) -> dict[str, str]:
        """The data: URL of each address."""
        until = time.monotonic() + SECONDS_IN_ALL
        found: dict[str, str] = {}
        size = 0
        fetching = together(lambda link: self._fetch(link[0], link[1], until), places.items(), AT_ONCE)
        try:
            with stoppable(cancel), closing(fetching):
                for (url, place), body in zip(places.items(), fetching, strict=True):
                    size += len(body)
                    if size > MAX_BYTES_IN_ALL:
                        raise _too_large(place, MAX_BYTES_IN_ALL)
                    found[url] = _as_data(body, place)
        except ProviderFault as stopped:
            raise Unavailable("the request was stopped") from stopped
        return found

    def _fetch(self, url: str, place: str, until: float) -> bytes:
        seconds = min(SECONDS, max(until - time.monotonic(), 0.0))
        try:
            fetched = self._fetcher.fetch(
                url, max_bytes=MAX_BYTES, seconds=seconds, accept="image/*", schemes=("https",)
            )
        except Overloaded:
            raise
        except TooLarge as fault:
            raise _too_large(place, MAX_BYTES) from fault
        except DomainError as fault:
            reason = fault.details.get("reason", fault.code)
            raise InvalidRequest(
                f"The picture cannot be fetched. {fault.message}", field=place, details={"reason": reason}
            ) from fault
        if fetched.status != 200:
            raise InvalidRequest(
                f"The picture cannot be fetched: its host answered {fetched.status}.",
                field=place,
                details={"reason": "status"},
            )
        return fetched.body


def is_link(part: Part) -> bool:
    return isinstance(part, ImagePart) and part.url.startswith("https:")


def _places(messages: tuple[Message, ...]) -> dict[str, str]:
    """Each address with the place where it stands first."""
    places: dict[str, str] = {}
    for at, message in enumerate(messages):
        for index, part in enumerate(message.content if isinstance(message.content, tuple) else ()):
            if isinstance(part, ImagePart) and is_link(part):
                places.setdefault(part.url, f"messages[{at}].content[{index}].image_url.url")
    if len(places) > MAX_LINKS:
        last = list(places.values())[MAX_LINKS]
        raise InvalidRequest(f"At most {MAX_LINKS} pictures are fetched for one prompt.", field=last)
    return places


def _with_data(messages: tuple[Message, ...], found: Mapping[str, str]) -> tuple[Message, ...]:
    def shown(part: Part) -> Part:
        return replace(part, url=found[part.url]) if isinstance(part, ImagePart) and is_link(part) else part

    return tuple(
        replace(message, content=tuple(shown(part) for part in message.content))
        if isinstance(message.content, tuple)
        else message
        for message in messages
    )


def _as_data(body: bytes, place: str) -> str:
    kind = type_of_head(body[:HEAD], whole=len(body) <= HEAD)
    if kind not in PICTURES:
        raise UnsupportedMedia("What is at this address is no picture that is known here.", field=place)
    return f"data:{kind};base64,{base64.b64encode(body).decode()}"


def _too_large(place: str, limit: int) -> TooLarge:
    return TooLarge(
        "The picture is too large to be fetched.", field=place, details={"reason": "size", "max_bytes": limit}
    )
