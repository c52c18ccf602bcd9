"""Which secrets this database was used with, by fingerprint."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from app.models.secrets import SecretFingerprint
from app.repositories.database import Database


class SecretFingerprints:
    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> str | None:
        """The fingerprint kept for the secret of this name, None where it was never used here."""

        def work(session: Session) -> str | None:
            row = session.get(SecretFingerprint, name)
            return row.fingerprint if row is not None else None

        return self._database.read(work)

    def put(self, name: str, fingerprint: str, now: datetime) -> None:
        row = SecretFingerprint(name=name, fingerprint=fingerprint, updated_at=now)
        self._database.write(lambda session: session.merge(row))
