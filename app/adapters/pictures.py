"""What providers send as pictures, and how a picture is asked for."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.adapters.wire import plain_text
from app.domain.chat import Message
from app.domain.errors import ProviderFault
from app.domain.events import Picture

SIDE = 1_024
_SIGNS: tuple[tuple[bytes, int, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF8", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
)


def picture(data: bytes) -> Picture:
    """The picture that these bytes are, whatever the provider calls it. Raises ProviderFault(bad_reply) for none."""
    for sign, at, content_type in _SIGNS:
        if data[at : at + len(sign)] == sign:
            return Picture(data, content_type)
    raise ProviderFault("bad_reply", "what came as a picture is none", status=200)


def pictures_of(reply: Mapping[str, Any]) -> Iterable[Picture]:
    """Of OpenAI's wire. A picture that is only an address elsewhere is none: nobody fetches what a provider names.

    Raises ProviderFault(bad_reply).
    """
    rows = reply.get("data")
    if not isinstance(rows, list) or not rows:
        raise ProviderFault("bad_reply", "the reply has no pictures", status=200)
    for row in rows:
        data = row.get("b64_json") if isinstance(row, dict) else None
        if not isinstance(data, str):
            raise ProviderFault("bad_reply", "the reply names an address instead of a picture", status=200)
        try:
            yield picture(base64.b64decode(data, validate=True))
        except binascii.Error as fault:
            raise ProviderFault("bad_reply", "a picture in the reply is no base64", status=200) from fault


def wish(messages: Sequence[Message]) -> str:
    """What is to be drawn: the newest turn's text."""
    return next((plain_text(m) for m in reversed(messages) if m.role == "user"), "").strip()


def size_of(params: Mapping[str, Any]) -> tuple[int, int] | None:
    """Width and height as asked for (`1024x1536`), None where the choice is the model's."""
    width, cross, height = str(params.get("size") or "").partition("x")
    return (int(width), int(height)) if cross and width.isdecimal() and height.isdecimal() else None


def count_of(params: Mapping[str, Any]) -> int:
    """How many pictures are asked for."""
    n = params.get("n")
    return n if type(n) is int and n > 0 else 1


def aspect(size: tuple[int, int], ratios: Iterable[str]) -> str:
    """Of the ratios (`16:9`) the one nearest to the size."""

    def distance(ratio: str) -> float:
        wide, _, high = ratio.partition(":")
        mine, theirs = size[0] / size[1], int(wide) / int(high)
        return max(mine, theirs) / min(mine, theirs)

    return min(ratios, key=distance)
