"""An exchange as Redis keeps it: bytes that no script looks into, behind its weight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

import orjson

from app.domain.ledger import StoredMessage


def pack(exchange: Sequence[StoredMessage]) -> bytes:
    """`messages tokens json`: what it counts in the window, then its messages, text bit for bit."""
    rows = [_row(message) for message in exchange]
    return b"%d %d %b" % (len(rows), sum(m.tokens for m in exchange), orjson.dumps(rows))


def _row(m: StoredMessage) -> tuple[Any, ...]:
    """Seven fields; with the ids of files nine."""
    row = (m.role, m.content, m.tokens, m.created_at, m.model, m.state, m.reasoning)
    return (*row, m.attachments, m.images) if m.attachments or m.images else row


def pack_all(messages: Sequence[StoredMessage]) -> Iterator[tuple[str, bytes]]:
    """(prompt id, entry) of each exchange; messages as a window has them."""
    for prompt_id, exchange in groupby(messages, key=lambda message: message.prompt_id):
        yield prompt_id, pack(tuple(exchange))


def unpack(flat: Sequence[bytes]) -> tuple[StoredMessage, ...]:
    """The window from its prompt ids and entries in turn, in any order. Raises ValueError where it is not ours."""
    pairs = sorted(zip(flat[::2], flat[1::2], strict=True))
    exchanges = orjson.loads(b"[%b]" % b",".join(_body(entry) for _, entry in pairs))
    messages: list[StoredMessage] = []
    for (prompt_id, _), exchange in zip(pairs, exchanges, strict=True):
        name = prompt_id.decode()
        if not isinstance(exchange, list):
            raise ValueError("an entry of another shape")  # noqa: TRY004 - one kind of fault: it is not ours
        messages += [_message(name, row) for row in exchange]
    return tuple(messages)


def _body(entry: bytes) -> bytes:
    weight = entry.split(b" ", 2)
    if len(weight) != 3:
        raise ValueError("an entry without its weight")
    return weight[2]


def _message(prompt_id: str, row: Any) -> StoredMessage:
    if not isinstance(row, list) or len(row) not in (7, 9):
        raise ValueError("an entry of another shape")
    role, content, tokens, created_at, model, state, reasoning = row[:7]
    if not isinstance(created_at, str):
        raise ValueError("an entry without its time")  # noqa: TRY004 - one kind of fault: it is not ours
    moment = datetime.fromisoformat(created_at)
    attachments, images = (_ids(files) for files in row[7:] or (None, None))
    return StoredMessage(
        prompt_id, role, content, tokens, moment, model, state, reasoning, attachments=attachments, images=images
    )


def _ids(files: Any) -> tuple[str, ...] | None:
    if files is not None and not (isinstance(files, list) and all(isinstance(one, str) for one in files)):
        raise ValueError("an entry with files of another shape")
    return None if files is None else tuple(files)
