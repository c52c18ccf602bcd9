"""Kept answers in SQL: what a restart leaves of them, what goes with a conversation, what is near a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Row, and_, bindparam, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.domain.cached import CacheEntry, NearMeans
from app.domain.policies.cache_key import CacheKey
from app.models.cache import CachedAnswer
from app.models.chat import Conversation
from app.repositories.database import Database

#: Rows that one statement takes away or reads.
PAGE: Final = 200
#: Questions that one is compared with.
NEAR: Final = 100
_COLUMNS: Final = tuple(CachedAnswer.__table__.columns.keys())


@dataclass(frozen=True, slots=True)
class NearAnswer:
    """One whose question may be near. vector: None where it was made by another embedder, or not yet."""

    key: CacheKey
    question: str
    vector: bytes | None


class CacheRows:
    """Every method raises Unavailable while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        insert = sqlite.insert if database.is_sqlite else postgresql.insert
        query = insert(CachedAnswer).values({name: bindparam(name) for name in _COLUMNS})
        self._upsert = query.on_conflict_do_update(
            index_elements=["user_id", "digest"],
            set_={name: query.excluded[name] for name in _COLUMNS if name not in ("user_id", "digest")},
        )

    def keep(self, entries: Sequence[CacheEntry]) -> set[CacheKey]:
        """Keep them, in the place of older ones, of each key the last. Those that are kept: not what was said in a
        conversation that was deleted, or is not in SQL yet: then nothing of it may be kept anywhere."""
        by_key = {entry.key: entry for entry in entries}
        wanted = sorted({entry.conversation for entry in by_key.values() if entry.conversation is not None})

        def work(session: Session) -> set[CacheKey]:
            # Locked, so that who deletes a conversation finds these rows or this finds the tombstone.
            query = select(Conversation.id).where(Conversation.id.in_(wanted), Conversation.deleted_at.is_(None))
            query = query.order_by(Conversation.id).with_for_update(read=True)
            alive = set(session.scalars(query)) if wanted else set()
            kept = [e for e in by_key.values() if e.conversation is None or e.conversation in alive]
            kept.sort(key=lambda entry: (entry.key.tenant, entry.key.digest))
            if kept:
                session.execute(self._upsert, [_values(entry) for entry in kept])
            return {entry.key for entry in kept}

        return self._database.write(work)

    def find(self, key: CacheKey, now: datetime) -> tuple[bytes, datetime] | None:
        """The answer and when it expires."""
        query = select(CachedAnswer.body, CachedAnswer.expires_at).where(
            CachedAnswer.user_id == key.tenant, CachedAnswer.digest == key.digest, CachedAnswer.expires_at > now
        )
        row = self._database.read(lambda session: session.execute(query).first())
        return None if row is None else (row[0], row[1])

    def near(self, tenant: str, scope: str, embedder: str, now: datetime) -> list[NearAnswer]:
        """The newest answers to questions of this user that differ in their last message alone."""
        table = CachedAnswer
        query = (
            select(table.digest, table.question, table.embedder, table.vector)
            .where(table.user_id == tenant, table.scope == scope, table.expires_at > now)
            .order_by(table.created_at.desc())
            .limit(NEAR)
        )
        rows = self._database.read(lambda session: session.execute(query).all())
        return [
            NearAnswer(CacheKey(tenant, digest), question, vector if by == embedder else None)
            for digest, question, by, vector in rows
            if question is not None
        ]

    def of_conversation(self, row_id: str) -> list[CacheKey]:
        """What was said in it."""
        query = select(CachedAnswer.user_id, CachedAnswer.digest).where(CachedAnswer.conversation == row_id)
        return self._database.read(lambda session: _keys(session.execute(query).all()))

    def drop(self, keys: Sequence[CacheKey]) -> None:
        """Take these away."""

        def work(session: Session) -> None:
            for key in keys:
                session.execute(
                    delete(CachedAnswer).where(CachedAnswer.user_id == key.tenant, CachedAnswer.digest == key.digest)
                )

        if keys:
            self._database.write(work)

    def newest(self, now: datetime, before: tuple[datetime, str] | None) -> list[tuple[CacheKey, bytes, datetime]]:
        """A page of what is kept with its end, the last to expire first. before: end and digest of the last page's
        last."""
        table = CachedAnswer
        query = select(table.user_id, table.digest, table.body, table.expires_at).where(table.expires_at > now)
        if before is not None:
            end, digest = before
            query = query.where(or_(table.expires_at < end, and_(table.expires_at == end, table.digest < digest)))
        query = query.order_by(table.expires_at.desc(), table.digest.desc()).limit(PAGE)
        rows = self._database.read(lambda session: session.execute(query).all())
        return [(CacheKey(row[0], row[1]), row[2], row[3]) for row in rows]

    def alive(self, keys: Sequence[CacheKey]) -> set[CacheKey]:
        """Those of these that are still kept."""
        digests = [key.digest for key in keys]
        query = select(CachedAnswer.user_id, CachedAnswer.digest).where(CachedAnswer.digest.in_(digests))
        return set(self._database.read(lambda session: _keys(session.execute(query).all())))

    def expired(self, now: datetime) -> list[CacheKey]:
        """Some of what has expired."""
        query = select(CachedAnswer.user_id, CachedAnswer.digest).where(CachedAnswer.expires_at <= now).limit(PAGE)
        return self._database.read(lambda session: _keys(session.execute(query).all()))

    def oldest(self) -> list[tuple[CacheKey, int]]:
        """Some that expire first, each with its bytes."""
        table = CachedAnswer
        query = select(table.user_id, table.digest, table.size).order_by(table.expires_at, table.digest).limit(PAGE)
        rows = self._database.read(lambda session: session.execute(query).all())
        return [(CacheKey(row[0], row[1]), row[2]) for row in rows]

    def bytes(self) -> int:
        """Of all that is kept."""
        query = select(func.coalesce(func.sum(CachedAnswer.size), 0))
        return int(self._database.read(lambda session: session.scalar(query)) or 0)

    def count(self, user_id: str | None, now: datetime) -> int:
        """How many answers are kept of this user, or of everybody."""
        query = select(func.count()).select_from(CachedAnswer).where(CachedAnswer.expires_at > now)
        if user_id is not None:
            query = query.where(CachedAnswer.user_id == user_id)
        return int(self._database.read(lambda session: session.scalar(query)) or 0)


def _values(entry: CacheEntry) -> dict[str, object]:
    near = entry.near or NearMeans("", "")
    return {
        "user_id": entry.key.tenant,
        "digest": entry.key.digest,
        "conversation": entry.conversation,
        "created_at": entry.created_at,
        "expires_at": entry.expires_at,
        "size": len(entry.body) + len(near.question.encode("utf-8", "surrogatepass")) + len(near.vector or b""),
        "body": entry.body,
        "scope": near.scope or None,
        "question": near.question or None,
        "embedder": near.embedder,
        "vector": near.vector,
    }


def _keys(rows: Sequence[Row[str, str]]) -> list[CacheKey]:
    return [CacheKey(user_id, digest) for user_id, digest in rows]
