"""How a group of settled chats is written to SQLite: `executemany` in the writer's thread, one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final

import orjson

from app.domain.ledger import ConversationWrite, LedgerRow, SettledChat, StoredMessage
from app.domain.money import Price
from app.domain.policies import histogram
from app.domain.policies.histogram import EMPTY
from app.domain.usage import Usage
from app.repositories.histograms import pack
from app.repositories.values import check_text

_NO_PRICE: Final = (None, None, None, None, None)
_NO_USAGE: Final = (None, None, None, None, None)

_ROW: Final = """
INSERT INTO requests (prompt_id, user_id, key_id, door, model, provider, state, cached, fallback, skipped_chunks,
  charge, ttft_ms, latency_ms, created_at, period, prompt_tokens, completion_tokens, cached_tokens,
  reasoning_tokens, usage_source, price_input, price_output, price_cached_input, price_image, price_minute, lost)
VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (prompt_id) DO NOTHING"""

_ATTEMPT: Final = """
INSERT INTO attempts (prompt_id, n, model, provider, key_mask, reason, started_ms, latency_ms, ttft_ms, status, error,
  next, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, usage_source)
VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"""

# A conversation deleted since the chat was admitted stays away.
_BEGIN: Final = """
INSERT INTO conversations (id, user_id, public_id, title, message_count, created_at, updated_at)
SELECT ?1, ?2, ?3, ?4, 0, ?5, ?5 WHERE NOT EXISTS (
  SELECT 1 FROM conversations WHERE user_id = ?2 AND public_id = ?3
    AND deleted_at IS NOT NULL AND (deleted_at >= ?5 OR id = ?1))
ON CONFLICT (user_id, public_id) WHERE deleted_at IS NULL DO NOTHING"""

_HOME_BY_NAME: Final = """
SELECT id FROM conversations WHERE user_id = ?2 AND public_id = ?3 AND deleted_at IS NULL AND NOT EXISTS (
  SELECT 1 FROM conversations WHERE user_id = ?2 AND public_id = ?3
    AND deleted_at IS NOT NULL AND deleted_at >= ?5)"""

_HOME_BY_ID: Final = "SELECT id FROM conversations WHERE id = ?1 AND user_id = ?2 AND deleted_at IS NULL"

_ROLLUP: Final = """
INSERT INTO rollups (user_id, day, key_id, model, requests, cached, fallback, prompt_tokens, completion_tokens,
  cached_tokens, reasoning_tokens, charge, latency_ms, latency, ttft)
VALUES (?,?,?,?,1,?,?,?,?,?,?,?,?,?,?)
ON CONFLICT (user_id, day, key_id, model) DO UPDATE SET requests = requests + 1, cached = cached + excluded.cached,
  fallback = fallback + excluded.fallback, prompt_tokens = prompt_tokens + excluded.prompt_tokens,
  completion_tokens = completion_tokens + excluded.completion_tokens,
  cached_tokens = cached_tokens + excluded.cached_tokens,
  reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens, charge = charge + excluded.charge,
  latency_ms = latency_ms + excluded.latency_ms, latency = histogram_add(latency, excluded.latency),
  ttft = histogram_add(ttft, excluded.ttft)"""

_MESSAGE: Final = """
INSERT INTO messages (conversation_id, prompt_id, role, content, tokens, created_at, model, state, reasoning,
  attachments, sources, images)
VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"""

_COUNT: Final = """
UPDATE conversations SET message_count = message_count + ?, updated_at = max(updated_at, ?),
  template_version = coalesce(?, template_version) WHERE id = ?"""

_REPLACE: Final = "DELETE FROM messages WHERE conversation_id = ? AND prompt_id >= ? AND prompt_id < ?"


class AlreadySettled(Exception):
    """Some of a group were written before: it must be written one by one to know which."""


def write(connection: sqlite3.Connection, chats: Sequence[SettledChat]) -> None:
    """Write them inside the transaction that is open, in order.

    A single chat that was written before writes nothing; in a group it raises AlreadySettled. Driver errors come
    through, InvalidRequest for a text that PostgreSQL would not keep.
    """
    for chat in chats:
        _check(chat)
    inserted = connection.executemany(_ROW, [_row(chat.row) for chat in chats]).rowcount
    if inserted != len(chats):
        if len(chats) > 1:
            raise AlreadySettled
        return
    connection.executemany(_ATTEMPT, chain.from_iterable(_attempts(chat) for chat in chats))
    connection.executemany(_ROLLUP, [_rollup(chat.row) for chat in chats])
    for chat in chats:
        if chat.conversation is not None:
            _converse(connection, chat, chat.conversation)


def _converse(connection: sqlite3.Connection, chat: SettledChat, wanted: ConversationWrite) -> None:
    begun = _moment(chat.row.created_at)
    values = (wanted.id, wanted.user_id, wanted.public_id, wanted.title, begun)
    if wanted.is_new:
        connection.execute(_BEGIN, values)
        found = connection.execute(_HOME_BY_NAME, values).fetchone()
    else:
        found = connection.execute(_HOME_BY_ID, values[:2]).fetchone()
    if found is None:
        return
    gone = 0
    if wanted.replaces:
        gone = connection.execute(_REPLACE, (found[0], wanted.replaces, chat.row.prompt_id)).rowcount
    connection.executemany(_MESSAGE, [_message(found[0], message) for message in chat.messages])
    ended = _moment(chat.row.created_at + timedelta(milliseconds=chat.row.latency_ms))
    connection.execute(_COUNT, (len(chat.messages) - gone, ended, wanted.template, found[0]))


def _row(row: LedgerRow) -> tuple[Any, ...]:
    created = _moment(row.created_at)
    return (
        row.prompt_id, row.user_id, row.key_id, row.door, row.model, row.provider, row.state, row.cached,
        row.fallback, row.skipped_chunks, row.charge, row.ttft_ms, row.latency_ms, created, created[:10],
        *_usage(row.usage), *_price(row.price), row.lost,
    )  # fmt: skip


def _rollup(row: LedgerRow) -> tuple[Any, ...]:
    usage = row.usage
    return (
        row.user_id, _moment(row.created_at)[:10], row.key_id or "", row.model, row.cached, row.fallback, usage.prompt,
        usage.completion, usage.cached, usage.reasoning, row.charge or 0, row.latency_ms,
        pack(histogram.one(row.latency_ms)), pack(EMPTY if row.ttft_ms is None else histogram.one(row.ttft_ms)),
    )  # fmt: skip


def _attempts(chat: SettledChat) -> Iterator[tuple[Any, ...]]:
    for a in chat.attempts:
        yield (
            chat.row.prompt_id, a.n, a.model, a.provider, a.key_mask, a.reason, a.started_ms, a.latency_ms,
            a.ttft_ms, a.status, a.error, a.next, *(_NO_USAGE if a.usage is None else _usage(a.usage)),
        )  # fmt: skip


def _message(home: str, m: StoredMessage) -> tuple[Any, ...]:
    return (
        home, m.prompt_id, m.role, m.content, m.tokens, _moment(m.created_at), m.model, m.state, m.reasoning,
        _json(m.attachments), _json(m.sources), _json(m.images),
    )  # fmt: skip


def _json(value: object) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _usage(usage: Usage) -> tuple[Any, ...]:
    return usage.prompt, usage.completion, usage.cached, usage.reasoning, usage.source


def _price(price: Price | None) -> tuple[Any, ...]:
    if price is None:
        return _NO_PRICE
    return price.input, price.output, price.cached_input, price.image, price.minute


def _check(chat: SettledChat) -> None:
    for message in chat.messages:
        check_text(message.content)
        if message.reasoning:
            check_text(message.reasoning)
    if chat.conversation is not None:
        check_text(chat.conversation.title)
        check_text(chat.conversation.public_id)


def _moment(moment: datetime) -> str:
    """An instant as SQLAlchemy writes it to SQLite. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError("a naive datetime reached the database")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
