"""Sign-ins in SQL."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.domain.accounts import Family, User
from app.domain.policies.rotation import Rotation, rotate
from app.models.accounts import RefreshFamilyRow, UserRow
from app.repositories.database import Database
from app.repositories.epochs import raise_epoch
from app.repositories.users import user_of


class RefreshFamilies:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, family: Family, now: datetime) -> None:
        """Store a sign-in, and forget those of this user that have expired."""

        def work(session: Session) -> None:
            old = RefreshFamilyRow.user_id == family.user_id, RefreshFamilyRow.expires_at < now
            session.execute(delete(RefreshFamilyRow).where(*old))
            session.add(
                RefreshFamilyRow(
                    id=family.id,
                    user_id=family.user_id,
                    generation=family.generation,
                    used=[],
                    token_epoch=family.token_epoch,
                    dead=family.dead,
                    expires_at=family.expires_at,
                )
            )

        self._database.write(work)

    def live(self, family_id: str) -> User | None:
        """The user of a sign-in that still stands: not ended, and neither password, role nor state changed since."""
        query = (
            select(UserRow)
            .join(RefreshFamilyRow, RefreshFamilyRow.user_id == UserRow.id)
            .where(RefreshFamilyRow.id == family_id, RefreshFamilyRow.dead.is_(False), UserRow.active.is_(True))
            .where(RefreshFamilyRow.token_epoch == UserRow.token_epoch)
        )

        def work(session: Session) -> User | None:
            row = session.scalar(query)
            return user_of(row) if row else None

        return self._database.read(work)

    def use(self, family_id: str, generation: int, now_ms: int, expires_at: datetime) -> tuple[Rotation, User] | None:
        """Show a refresh token: the family moves on, repeats or ends, in one transaction. None: there is none such."""

        def work(session: Session) -> tuple[Rotation, User] | None:
            row = session.get(RefreshFamilyRow, family_id, with_for_update=True)
            user = session.get(UserRow, row.user_id) if row else None
            if row is None or user is None:
                return None
            rotation = rotate(_family_of(row, user), generation, now_ms)
            if rotation.kind == "fresh":
                row.generation = rotation.generation
                row.used = [list(use) for use in rotation.used]
                row.expires_at = expires_at
            elif rotation.kind == "reuse":
                row.dead = True
                raise_epoch(session, "auth")
            return rotation, user_of(user)

        return self._database.write(work)

    def end(self, family_id: str) -> None:
        """Logout: refuse the whole family from now on."""

        def work(session: Session) -> None:
            session.execute(update(RefreshFamilyRow).where(RefreshFamilyRow.id == family_id).values(dead=True))
            raise_epoch(session, "auth")

        self._database.write(work)


def _family_of(row: RefreshFamilyRow, user: UserRow) -> Family:
    void = row.token_epoch != user.token_epoch or not user.active
    return Family(
        id=row.id,
        user_id=row.user_id,
        generation=row.generation,
        used=tuple((generation, at) for generation, at in row.used),
        token_epoch=row.token_epoch,
        dead=row.dead or void,
        expires_at=row.expires_at,
    )
