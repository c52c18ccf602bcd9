"""Idempotency keys and their answers in SQL: what outlives Redis, and what decides while it is away."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, LargeBinary, bindparam, delete, select, text, update
from sqlalchemy.orm import Session

from app.domain.idempotency import Claim, KeptAnswer, KeyedRequest
from app.models.base import UtcDateTime
from app.models.chat import Conversation
from app.models.idempotency import Idempotency
from app.repositories.database import Database

#: Rows that one sweep takes away: a short transaction, whatever piled up.
SWEPT: Final = 500

_CLAIM = text(
    """
    INSERT INTO idempotency (scope, key, fingerprint, owner, user_id, state, expires_at)
    VALUES (:scope, :key, :fingerprint, :owner, :user_id, 'running', :until)
    ON CONFLICT (scope, key) DO UPDATE SET
        fingerprint = excluded.fingerprint, owner = excluded.owner, user_id = excluded.user_id, state = 'running',
        expires_at = excluded.expires_at, conversation = NULL, status = NULL, content_type = NULL, headers = NULL,
        body = NULL
    WHERE idempotency.expires_at <= :now OR (idempotency.state = 'running' AND idempotency.owner = excluded.owner)
    RETURNING owner
    """
).bindparams(
    bindparam("fingerprint", type_=LargeBinary()),
    bindparam("until", type_=UtcDateTime()),
    bindparam("now", type_=UtcDateTime()),
)


class IdempotencyRows:
    """Every method raises Unavailable while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, asked: KeyedRequest, now: datetime, until: datetime) -> Claim:
        """Take the key where nobody has it, or whose lease has lapsed; keep it until then where it is ours."""
        values = {
            "scope": asked.scope,
            "key": asked.key,
            "fingerprint": asked.fingerprint,
            "owner": asked.owner,
            "user_id": asked.user_id,
            "until": until,
            "now": now,
        }

        def work(session: Session) -> Claim:
            if session.execute(_CLAIM, values).first() is not None:
                return Claim("mine", asked.owner)
            row = session.get(Idempotency, (asked.scope, asked.key))
            # Gone between two statements: whoever asks again finds it free.
            return Claim("busy", "") if row is None else _claim(row, asked)

        return self._database.write(work)

    def look(self, asked: KeyedRequest, now: datetime) -> Claim | None:
        """What is known of the key, without taking it. None where nothing is."""

        def work(session: Session) -> Claim | None:
            row = session.get(Idempotency, (asked.scope, asked.key))
            return None if row is None or row.expires_at <= now else _claim(row, asked)

        return self._database.read(work)

    def finish(self, asked: KeyedRequest, answer: KeptAnswer, conversation: str | None, until: datetime) -> bool:
        """Keep the answer until then. False where the key is another's by now, or the conversation was deleted
        meanwhile."""
        query = (
            update(Idempotency)
            .where(*_ours(asked))
            .values(
                state="done",
                expires_at=until,
                conversation=conversation,
                status=answer.status,
                content_type=answer.content_type,
                headers=dict(answer.headers),
                body=answer.body,
            )
            .returning(Idempotency.owner)
        )

        def work(session: Session) -> bool:
            if conversation is not None and _is_deleted(session, asked.user_id, conversation):
                return False
            return session.execute(query).first() is not None

        return self._database.write(work)

    def release(self, asked: KeyedRequest) -> None:
        """There is no answer: the key is free."""
        query = delete(Idempotency).where(*_ours(asked))
        self._database.write(lambda session: session.execute(query) and None)

    def forget(self, user_id: str, conversation: str) -> None:
        """Nothing that was answered in this conversation is kept any more."""
        query = delete(Idempotency).where(Idempotency.user_id == user_id, Idempotency.conversation == conversation)
        self._database.write(lambda session: session.execute(query) and None)

    def sweep(self, now: datetime) -> int:
        """Take away some of what has expired; how many rows it was."""
        names = (Idempotency.scope, Idempotency.key)
        old = select(*names).where(Idempotency.expires_at <= now).limit(SWEPT)

        def work(session: Session) -> int:
            gone = 0
            for scope, key in session.execute(old).all():
                query = delete(Idempotency).where(
                    Idempotency.scope == scope, Idempotency.key == key, Idempotency.expires_at <= now
                )
                gone += session.execute(query.returning(Idempotency.key)).first() is not None
            return gone

        return self._database.write(work)


def _is_deleted(session: Session, user_id: str, conversation: str) -> bool:
    """Whether there is a tombstone of it and nothing that bears its name since."""
    named = (Conversation.user_id == user_id, Conversation.public_id == conversation)
    dead = select(Conversation.id).where(*named, Conversation.deleted_at.is_not(None)).limit(1)
    live = select(Conversation.id).where(*named, Conversation.deleted_at.is_(None)).limit(1)
    return session.scalar(dead) is not None and session.scalar(live) is None


def _ours(asked: KeyedRequest) -> tuple[ColumnElement[bool], ...]:
    return (
        Idempotency.scope == asked.scope,
        Idempotency.key == asked.key,
        Idempotency.owner == asked.owner,
        Idempotency.state == "running",
    )


def _claim(row: Idempotency, asked: KeyedRequest) -> Claim:
    if row.fingerprint != asked.fingerprint:
        return Claim("other", row.owner)
    if row.state != "done":
        return Claim("busy", row.owner)
    headers = tuple((row.headers or {}).items())
    answer = KeptAnswer(row.owner, row.status or 200, row.content_type or "", headers, row.body or b"")
    return Claim("done", row.owner, answer=answer)
