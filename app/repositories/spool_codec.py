"""A settled chat as one line of a file, with a checksum before it."""

from __future__ import annotations

import zlib
from datetime import datetime
from typing import Any, Final

import orjson

from app.domain.events import Attempt
from app.domain.ledger import ConversationWrite, LedgerRow, SettledChat, StoredMessage
from app.domain.money import Price
from app.domain.usage import Usage
from app.domain.wishes import Source

_SUM: Final = 8  # hexadecimal digits of the checksum, then a space


def encode(chat: SettledChat) -> bytes:
    """A line with its LF. Raises TypeError for a text that UTF-8 does not hold."""
    return seal(orjson.dumps(chat))


def decode(line: bytes) -> SettledChat:
    """The chat of a line, with or without its LF. Raises ValueError for one that is not whole."""
    told = orjson.loads(unseal(line))
    try:
        return SettledChat(
            _row(told["row"]),
            tuple(_attempt(attempt) for attempt in told["attempts"]),
            None if told["conversation"] is None else ConversationWrite(**told["conversation"]),
            tuple(_message(message) for message in told["messages"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError("not a settled chat") from error


def seal(body: bytes) -> bytes:
    """A body without LF as a line with its checksum."""
    return b"%08x %b\n" % (zlib.crc32(body), body)


def unseal(line: bytes) -> bytes:
    """The body of a line. Raises ValueError where the checksum is another."""
    body = line[_SUM + 1 :].removesuffix(b"\n")
    if line[: _SUM + 1] != b"%08x " % zlib.crc32(body):
        raise ValueError("the checksum is wrong")
    return body


def _row(told: dict[str, Any]) -> LedgerRow:
    price = told["price"]
    return LedgerRow(
        **{
            **told,
            "usage": Usage(**told["usage"]),
            "price": None if price is None else Price(**price),
            "created_at": datetime.fromisoformat(told["created_at"]),
        }
    )


def _attempt(told: dict[str, Any]) -> Attempt:
    usage = told["usage"]
    return Attempt(**{**told, "usage": None if usage is None else Usage(**usage)})


def _message(told: dict[str, Any]) -> StoredMessage:
    sources = told.get("sources")
    return StoredMessage(
        **{
            **told,
            "created_at": datetime.fromisoformat(told["created_at"]),
            "attachments": _names(told.get("attachments")),
            "sources": None if sources is None else tuple(Source(**source) for source in sources),
            "images": _names(told.get("images")),
        }
    )


def _names(told: list[str] | None) -> tuple[str, ...] | None:
    return None if told is None else tuple(told)
