"""How a group of settled chats is written to PostgreSQL: one statement, one parameter, one commit.

The whole group goes as one JSON text made by orjson straight from the dataclasses, so that this process pays once a
group and not once a value. A chat whose ledger row is there already writes nothing more, whatever it carries.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Final

import orjson
import psycopg

from app.domain.ledger import SettledChat
from app.domain.policies.histogram import DIGITS, EDGES

Connection = psycopg.Connection[Any]

_INPUT: Final = """
WITH input AS MATERIALIZED (
  SELECT r.*, g.attempts, g.conversation, g.messages
  FROM jsonb_to_recordset(%s::jsonb)
    AS g("row" jsonb, attempts jsonb, conversation jsonb, messages jsonb),
  jsonb_to_record(g."row") AS r(prompt_id text, user_id text, key_id text, door text, model text, provider text,
    state text, usage jsonb, charge bigint, price jsonb, cached bool, fallback bool, skipped_chunks int,
    ttft_ms bigint, latency_ms bigint, created_at timestamptz, lost bigint)
), fresh AS (
  INSERT INTO requests (prompt_id, user_id, key_id, door, model, provider, state, cached, fallback,
    skipped_chunks, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, usage_source, charge,
    price_input, price_output, price_cached_input, price_image, price_minute, ttft_ms, latency_ms, created_at,
    period, lost)
  SELECT prompt_id, user_id, key_id, door, model, provider, state, cached, fallback, skipped_chunks,
    (usage->'prompt')::bigint, (usage->'completion')::bigint, (usage->'cached')::bigint,
    (usage->'reasoning')::bigint, usage->>'source', charge,
    (price->>'input')::bigint, (price->>'output')::bigint, (price->>'cached_input')::bigint,
    (price->>'image')::bigint, (price->>'minute')::bigint, ttft_ms, latency_ms, created_at,
    to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), lost
  FROM input
  ON CONFLICT (prompt_id) DO NOTHING
  RETURNING prompt_id
)"""

_SUMS: Final = (
    "requests", "cached", "fallback", "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens",
    "charge", "latency_ms", "latency", "ttft",
)  # fmt: skip
_RAISED: Final = ", ".join(f"{name} = rollups.{name} + excluded.{name}" for name in _SUMS)

_HISTOGRAM: Final = """
    coalesce(sum(('1e' || {digits} * (width_bucket(greatest({column}, 0), '{{{edges}}}'::bigint[]) - 1))::numeric)
      FILTER (WHERE {column} IS NOT NULL), 0)"""


def _histogram(column: str) -> str:
    return _HISTOGRAM.format(digits=DIGITS, column=column, edges=",".join(map(str, EDGES)))


# The sums that reports read, raised by what was really inserted. The server runs the parts of a statement that nobody
# reads from behind the others and the last one first: this stands before the conversations' so that their rows are
# locked before those here, in every statement, and those here are held for the shortest time. The rows are sorted, so
# that two workers never wait for each other crosswise.
_ROLLED: Final = """, rolled AS (
  INSERT INTO rollups (user_id, day, key_id, model, requests, cached, fallback, prompt_tokens, completion_tokens,
    cached_tokens, reasoning_tokens, charge, latency_ms, latency, ttft)
  SELECT user_id, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), coalesce(key_id, ''), model, count(*),
    count(*) FILTER (WHERE cached), count(*) FILTER (WHERE fallback), sum((usage->'prompt')::bigint),
    sum((usage->'completion')::bigint), sum((usage->'cached')::bigint), sum((usage->'reasoning')::bigint),
    coalesce(sum(charge), 0), sum(latency_ms),{latency},{ttft}
  FROM input JOIN fresh USING (prompt_id) GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
  ON CONFLICT (user_id, day, key_id, model) DO UPDATE SET {raised}
)"""
_ROLLUPS: Final = _ROLLED.format(latency=_histogram("latency_ms"), ttft=_histogram("ttft_ms"), raised=_RAISED)

_ATTEMPTS: Final = """
  INSERT INTO attempts (prompt_id, n, model, provider, key_mask, reason, started_ms, latency_ms, ttft_ms, status,
    error, prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens, usage_source, next)
  SELECT fresh.prompt_id, a.n, a.model, a.provider, a.key_mask, a.reason, a.started_ms, a.latency_ms, a.ttft_ms,
    a.status, a.error, (a.usage->>'prompt')::bigint, (a.usage->>'completion')::bigint,
    (a.usage->>'cached')::bigint, (a.usage->>'reasoning')::bigint, a.usage->>'source', a.next
  FROM input JOIN fresh USING (prompt_id), jsonb_to_recordset(input.attempts) AS a(n int, model text,
    provider text, key_mask text, reason text, started_ms bigint, latency_ms bigint, ttft_ms bigint, status int,
    error text, usage jsonb, next text)"""

_CONVERSED: Final = """, conversed AS MATERIALIZED (
  SELECT c.*, input.prompt_id, input.messages, input.created_at,
    input.created_at + input.latency_ms * interval '1 ms' AS ended_at,
    jsonb_array_length(input.messages) AS n
  FROM input JOIN fresh USING (prompt_id), jsonb_to_record(input.conversation)
    AS c(id text, user_id text, public_id text, title text, template text)
  WHERE input.conversation IS NOT NULL
)"""

_MESSAGES: Final = """, said AS (
  INSERT INTO messages (conversation_id, prompt_id, role, content, tokens, created_at, model, state, reasoning,
    attachments, sources, images)
  SELECT home.id, m.prompt_id, m.role, m.content, m.tokens, m.created_at, m.model, m.state, m.reasoning,
    m.attachments, m.sources, m.images
  FROM home, jsonb_to_recordset(home.messages) AS m(prompt_id text, role text, content text, tokens int,
    created_at timestamptz, model text, state text, reasoning text, attachments jsonb, sources jsonb,
    images jsonb)
)"""

# The rows are locked in the order of their ids, so that two workers never wait for each other crosswise. Whether a row
# lives is asked after the lock is had: one that was deleted meanwhile takes nothing in.
_GOING_ON: Final = """, held AS MATERIALIZED (
  SELECT id, user_id, deleted_at FROM conversations
  WHERE id = ANY (ARRAY(SELECT id FROM conversed)) ORDER BY id FOR UPDATE
), growth AS MATERIALIZED (
  SELECT held.id, sum(n) AS n, max(ended_at) AS ended_at, max(template) AS template
  FROM held JOIN conversed ON conversed.id = held.id AND conversed.user_id = held.user_id
  WHERE held.deleted_at IS NULL GROUP BY held.id
), counted AS (
  UPDATE conversations SET message_count = message_count + growth.n,
    updated_at = greatest(updated_at, growth.ended_at),
    template_version = coalesce(growth.template, template_version)
  FROM growth WHERE conversations.id = growth.id
), home AS (
  SELECT growth.id, conversed.messages FROM conversed JOIN growth USING (id)
)"""

# A conversation deleted since the chat was admitted stays away. Another chat may begin the same one at the same time
# in another worker: DO UPDATE finds its row, even one that this statement's snapshot does not see.
_BEGINNING: Final = """, wanted AS MATERIALIZED (
  SELECT * FROM conversed AS c WHERE (
    SELECT 1 FROM conversations AS t WHERE t.user_id = c.user_id AND t.public_id = c.public_id
      AND t.deleted_at IS NOT NULL AND (t.deleted_at >= c.created_at OR t.id = c.id) LIMIT 1) IS NULL
), begun AS (
  INSERT INTO conversations (id, user_id, public_id, title, message_count, created_at, updated_at,
    template_version)
  SELECT (array_agg(id ORDER BY prompt_id))[1], user_id, public_id, (array_agg(title ORDER BY prompt_id))[1],
    sum(n), min(created_at), max(ended_at), max(template)
  FROM wanted GROUP BY user_id, public_id ORDER BY user_id, public_id
  ON CONFLICT (user_id, public_id) WHERE deleted_at IS NULL DO UPDATE
    SET message_count = conversations.message_count + excluded.message_count,
      updated_at = greatest(conversations.updated_at, excluded.updated_at),
      template_version = coalesce(excluded.template_version, conversations.template_version)
  RETURNING id, user_id, public_id
), home AS (
  SELECT begun.id, wanted.messages FROM wanted JOIN begun USING (user_id, public_id)
)"""

_ROWS_ONLY: Final = _INPUT + _ROLLUPS + _ATTEMPTS
_GO_ON: Final = _INPUT + _ROLLUPS + _CONVERSED + _GOING_ON + _MESSAGES + _ATTEMPTS
_BEGIN: Final = _INPUT + _ROLLUPS + _CONVERSED + _BEGINNING + _MESSAGES + _ATTEMPTS

# Planned once a connection, since planning costs more than doing; so the plan of a table that was empty then must serve
# when it is large, and only look-ups by index do.
_PLANNING: Final = """
SELECT set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),
  set_config('enable_mergejoin', 'off', false)"""

# Before the new exchange is written, and only where it was not written before.
_REPLACE: Final = """
WITH home AS MATERIALIZED (
  SELECT id FROM conversations
  WHERE user_id = %(user_id)s AND public_id = %(public_id)s AND deleted_at IS NULL
    AND NOT EXISTS (SELECT FROM requests WHERE prompt_id = %(prompt_id)s)
  FOR UPDATE
), gone AS (
  DELETE FROM messages USING home
  WHERE conversation_id = home.id AND prompt_id >= %(replaces)s AND prompt_id < %(prompt_id)s
  RETURNING 1
)
UPDATE conversations SET message_count = message_count - (SELECT count(*) FROM gone)
FROM home WHERE conversations.id = home.id"""


class PostgresSettler:
    """Writes over a connection of its own, which is opened at the first use and again after it broke."""

    def __init__(self, connect: Callable[[], Connection]) -> None:
        self._connect = connect
        self._connection: Connection | None = None
        self._pid = 0

    def write(self, chats: Sequence[SettledChat]) -> None:
        """Commit them all or none. Driver errors come through, and orjson's for a text that is none."""
        _refuse_naive(chats)
        payload = orjson.dumps(chats).decode()
        connection = self._open()
        replacing = [chat for chat in chats if chat.conversation is not None and chat.conversation.replaces]
        if not replacing:
            connection.execute(_statement(chats), (payload,), prepare=True)
            return
        with connection.transaction():
            for chat in replacing:
                connection.execute(_REPLACE, _replacement(chat))
            connection.execute(_statement(chats), (payload,), prepare=True)

    def reset(self) -> None:
        """Close the connection: after a fault or a time-out nobody knows what is still on its wire."""
        connection, self._connection = self._connection, None
        if connection is not None and self._pid == os.getpid():
            connection.close()

    def _open(self) -> Connection:
        if self._connection is None or self._pid != os.getpid():
            self._connection = self._connect()
            self._connection.execute(_PLANNING)
            self._pid = os.getpid()
        return self._connection


def _refuse_naive(chats: Sequence[SettledChat]) -> None:
    # JSON would carry it without an offset, and the server would read it as of its own time zone.
    for chat in chats:
        if chat.row.created_at.tzinfo is None or any(said.created_at.tzinfo is None for said in chat.messages):
            raise ValueError("a naive datetime reached the database")


def _statement(chats: Sequence[SettledChat]) -> str:
    first = next((chat.conversation for chat in chats if chat.conversation is not None), None)
    if first is None:
        return _ROWS_ONLY
    return _BEGIN if first.is_new else _GO_ON


def _replacement(chat: SettledChat) -> dict[str, object]:
    home = chat.conversation
    assert home is not None
    return {
        "user_id": home.user_id,
        "public_id": home.public_id,
        "prompt_id": chat.row.prompt_id,
        "replaces": home.replaces,
    }
