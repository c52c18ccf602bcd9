"""API keys in SQL."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from app.domain.accounts import MAX_KEYS, ApiKey, NewKey, User
from app.domain.audit import Actor, Facts
from app.domain.errors import Conflict, NotFound
from app.models.accounts import ApiKeyRow, UserRow
from app.repositories.audit import record
from app.repositories.database import Database
from app.repositories.epochs import raise_epoch
from app.repositories.users import bounds_facts, budget_of, limits_of, user_of
from app.utils.clock import rfc3339


class KeyChanges(TypedDict, total=False):
    """Columns to set; what is left out stays. budget_amount: nano-USD."""

    name: str
    rpm: int | None
    tpm: int | None
    concurrency: int | None
    budget_amount: int | None
    budget_period: str | None
    models: list[str] | None
    expires_at: datetime | None
    revoked_at: datetime


class ApiKeys:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        key_id: str,
        user_id: str,
        new: NewKey,
        prefix: str,
        sha256: bytes,
        now: datetime,
        actor: Actor | None = None,
    ) -> ApiKey:
        """Store a key. actor: an admin who makes it for somebody.

        Raises Conflict where the user has as many live ones as may be, NotFound without the user.
        """

        def work(session: Session) -> ApiKey:
            # The user's row is held so that two requests at once cannot both find room for the last key.
            if session.get(UserRow, user_id, with_for_update=True) is None:
                raise NotFound("There is no such user.")
            live = select(func.count()).where(ApiKeyRow.user_id == user_id, ApiKeyRow.revoked_at.is_(None))
            if (session.scalar(live) or 0) >= MAX_KEYS:
                raise Conflict(f"A user has at most {MAX_KEYS} keys; revoke one first.")
            row = ApiKeyRow(
                id=key_id, user_id=user_id, name=new.name, prefix=prefix, sha256=sha256,
                rpm=new.limits.rpm, tpm=new.limits.tpm, concurrency=new.limits.concurrency,
                budget_amount=new.budget.amount if new.budget else None,
                budget_period=new.budget.period if new.budget else None,
                models=None if new.models is None else list(new.models),
                expires_at=new.expires_at, created_at=now,
            )  # fmt: skip
            session.add(row)
            session.flush()
            if actor is not None:
                record(session, actor, "key.make", key_id, None, _facts(row))
            return _key_of(row)

        return self._database.write(work)

    def by_hash(self, sha256: bytes) -> tuple[ApiKey, User] | None:
        """The key with this hash and its user, also where it is revoked or expired or the user disabled."""
        return self._owned(ApiKeyRow.sha256 == sha256)

    def by_id(self, key_id: str) -> tuple[ApiKey, User] | None:
        return self._owned(ApiKeyRow.id == key_id)

    def page(self, user_id: str, limit: int, before: str | None) -> list[ApiKey]:
        """A user's keys that are not revoked, newest first, from after `before` (an id)."""
        query = select(ApiKeyRow).where(ApiKeyRow.user_id == user_id, ApiKeyRow.revoked_at.is_(None))
        if before is not None:
            query = query.where(ApiKeyRow.id < before)
        query = query.order_by(ApiKeyRow.id.desc()).limit(limit)
        return self._database.read(lambda session: [_key_of(row) for row in session.scalars(query)])

    def revoke(self, user_id: str, key_id: str, now: datetime) -> bool:
        """Refuse the key from now on. False where the user has no such live key."""

        def work(session: Session) -> bool:
            row = session.get(ApiKeyRow, key_id, with_for_update=True)
            if row is None or row.user_id != user_id or row.revoked_at is not None:
                return False
            row.revoked_at = now
            raise_epoch(session, "auth")
            return True

        return self._database.write(work)

    def all(self, limit: int, before: str | None, user_id: str | None) -> list[tuple[ApiKey, User]]:
        """Keys with their users, revoked ones too, newest first. user_id: of this user alone."""
        query = select(ApiKeyRow, UserRow).join(UserRow, UserRow.id == ApiKeyRow.user_id)
        if before is not None:
            query = query.where(ApiKeyRow.id < before)
        if user_id is not None:
            query = query.where(ApiKeyRow.user_id == user_id)
        query = query.order_by(ApiKeyRow.id.desc()).limit(limit)
        return self._database.read(
            lambda session: [(_key_of(key), user_of(user)) for key, user in session.execute(query)]
        )

    def amend(self, key_id: str, changes: KeyChanges, actor: Actor) -> None:
        """An admin's change, with its row in the audit. Raises NotFound, Conflict for a key that was revoked."""

        def work(session: Session) -> None:
            row = session.get(ApiKeyRow, key_id, with_for_update=True)
            if row is None:
                raise NotFound("There is no such key.")
            if row.revoked_at is not None:
                raise Conflict("This key was revoked.")
            before = _facts(row)
            for column, value in changes.items():
                setattr(row, column, value)
            action = "key.revoke" if "revoked_at" in changes else "key.change"
            record(session, actor, action, key_id, before, _facts(row))
            raise_epoch(session, "auth")

        self._database.write(work)

    def _owned(self, where: ColumnElement[bool]) -> tuple[ApiKey, User] | None:
        query = select(ApiKeyRow, UserRow).join(UserRow, UserRow.id == ApiKeyRow.user_id).where(where)

        def work(session: Session) -> tuple[ApiKey, User] | None:
            rows = session.execute(query).first()
            return (_key_of(rows[0]), user_of(rows[1])) if rows else None

        return self._database.read(work)


def _facts(row: ApiKeyRow) -> Facts:
    ends = {"expires_at": row.expires_at, "revoked_at": row.revoked_at}
    told = {name: None if moment is None else rfc3339(moment) for name, moment in ends.items()}
    return {"user_id": row.user_id, "name": row.name, "models": row.models, **told, **bounds_facts(row)}


def _key_of(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        prefix=row.prefix,
        limits=limits_of(row),
        budget=budget_of(row),
        models=None if row.models is None else tuple(row.models),
        expires_at=row.expires_at,
        revoked=row.revoked_at is not None,
        created_at=row.created_at,
    )
