"""Providers' keys in SQL, sealed by who stores them: nothing here can read one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.audit import Actor, Facts
from app.domain.errors import Conflict
from app.models.catalogue import ProviderKey
from app.repositories.audit import record
from app.repositories.database import Database
from app.repositories.epochs import CATALOGUE, raise_epoch

MOST = 1_000


@dataclass(frozen=True, slots=True)
class SealedKey:
    """origin: scheme, host and port that the key was given for; None for the provider's own address."""

    id: str
    integration: str
    origin: str | None
    sealed: bytes
    mask: str
    created_at: datetime


class ProviderKeys:
    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[SealedKey, ...]:
        """Oldest first."""
        query = select(ProviderKey).order_by(ProviderKey.id)
        return self._database.read(lambda session: tuple(_key(row) for row in session.scalars(query)))

    def get(self, key_id: str) -> SealedKey | None:
        def work(session: Session) -> SealedKey | None:
            row = session.get(ProviderKey, key_id)
            return _key(row) if row else None

        return self._database.read(work)

    def add(self, key: SealedKey, actor: Actor) -> None:
        """With its row in the audit. Raises Conflict where there are as many as may be."""

        def work(session: Session) -> None:
            if len(session.scalars(select(ProviderKey.id)).all()) >= MOST:
                raise Conflict(f"There are at most {MOST} provider keys; delete one first.")
            session.add(row_of(key))
            record(session, actor, "provider_key.add", key.id, None, facts_of(key))
            raise_epoch(session, CATALOGUE)

        self._database.write(work)

    def replace(self, key: SealedKey, actor: Actor) -> bool:
        """Another secret in a row that is there; False where it is not."""

        def work(session: Session) -> bool:
            row = session.get(ProviderKey, key.id, with_for_update=True)
            if row is None:
                return False
            record(session, actor, "provider_key.change", key.id, {"mask": row.mask}, {"mask": key.mask})
            row.sealed, row.mask = key.sealed, key.mask
            raise_epoch(session, CATALOGUE)
            return True

        return self._database.write(work)

    def remove(self, key_id: str, actor: Actor) -> bool:
        """False where there is none of this id."""

        def work(session: Session) -> bool:
            row = session.get(ProviderKey, key_id, with_for_update=True)
            if row is None:
                return False
            record(session, actor, "provider_key.delete", key_id, facts_of(_key(row)), None)
            session.delete(row)
            raise_epoch(session, CATALOGUE)
            return True

        return self._database.write(work)


def row_of(key: SealedKey) -> ProviderKey:
    return ProviderKey(
        id=key.id,
        integration=key.integration,
        origin=key.origin,
        sealed=key.sealed,
        mask=key.mask,
        created_at=key.created_at,
    )


def facts_of(key: SealedKey) -> Facts:
    """A key as the audit keeps it: masked."""
    return {"provider": key.integration, "origin": key.origin, "mask": key.mask}


def _key(row: ProviderKey) -> SealedKey:
    return SealedKey(row.id, row.integration, row.origin, row.sealed, row.mask, row.created_at)
