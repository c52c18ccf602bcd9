"""What providers send as vectors, and how texts are taken from a call."""

from __future__ import annotations

import base64
import binascii
import math
import sys
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from app.adapters.wire import plain_text
from app.domain.chat import Message
from app.domain.errors import ProviderFault
from app.domain.events import Vectors


def texts_of(messages: Sequence[Message]) -> list[str]:
    """Each message is a text to be embedded."""
    return [plain_text(message) for message in messages]


def vectors_of(reply: Mapping[str, Any], count: int) -> Vectors:
    """The vectors of OpenAI's wire in the order of their texts, of which there were so many.

    Raises ProviderFault(bad_reply) for fewer or more, for another order that does not add up, and for what is no
    finite number.
    """
    rows = reply.get("data")
    if not isinstance(rows, list) or len(rows) != count:
        raise _bad("the reply has not one vector a text")
    found: dict[int, bytes] = {}
    for place, row in enumerate(rows):
        index = row.get("index", place) if isinstance(row, dict) else None
        if type(index) is not int or not 0 <= index < count or index in found:
            raise _bad("the vectors in the reply bear no order")
        found[index] = _floats(row.get("embedding"))
    if len({len(vector) for vector in found.values()}) > 1:
        raise _bad("the vectors in the reply are not of one length")
    return Vectors(tuple(found[index] for index in range(count)))


def _floats(value: object) -> bytes:
    try:
        if isinstance(value, str):
            numbers = array("f", base64.b64decode(value, validate=True))
            if sys.byteorder != "little":
                numbers.byteswap()
        elif isinstance(value, list):
            numbers = array("f", value)
        else:
            raise _bad("a vector in the reply is none")
    except (TypeError, ValueError, OverflowError, binascii.Error) as fault:
        raise _bad("a vector in the reply is none") from fault
    if not numbers or not all(map(math.isfinite, numbers)):
        raise _bad("a vector in the reply is none")
    if sys.byteorder != "little":
        numbers.byteswap()
    return numbers.tobytes()


def _bad(message: str) -> ProviderFault:
    return ProviderFault("bad_reply", message, status=200)
