"""The counters that SQL keeps of what was taken back or changed."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.models.accounts import EpochRow
from app.repositories.database import Database

#: What every change of the catalogue raises, so that each worker reads it anew.
CATALOGUE: Final = "catalogue"

_RAISE = text("INSERT INTO epochs (name, n) VALUES (:name, 1) ON CONFLICT (name) DO UPDATE SET n = epochs.n + 1")


def raise_epoch(session: Session, name: str) -> None:
    """Count one change of `name`. Make it the transaction's last statement: it locks the counter until the commit."""
    session.flush()
    session.execute(_RAISE, {"name": name})


class EpochRows:
    def __init__(self, database: Database) -> None:
        self._database = database

    def read(self, name: str) -> int:
        """How often it was raised, 0 where never. Raises Unavailable while the database is away."""
        query = select(EpochRow.n).where(EpochRow.name == name)
        return self._database.read(lambda session: session.scalar(query) or 0)
