"""What admins did, written in the transaction of the act itself."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.audit import Act, Actor, Facts
from app.models.audit import AuditRow
from app.repositories.database import Database
from app.utils.clock import utcnow
from app.utils.ids import new_id


def record(session: Session, actor: Actor, action: str, target: str, before: Facts | None, after: Facts | None) -> None:
    """Add an act to the session's transaction. Of what is there before and after only the differences are kept."""
    if before is not None and after is not None:
        changed = {name for name in after if before.get(name) != after[name]}
        before, after = ({name: facts.get(name) for name in sorted(changed)} for facts in (before, after))
    session.add(
        AuditRow(
            id=new_id(), at=utcnow(), actor_id=actor.user_id, actor=actor.username, action=action, target=target,
            before=before, after=after,
        )
    )  # fmt: skip


class Audit:
    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, limit: int, before: str | None) -> list[Act]:
        """Acts, newest first, from after the one with the id `before`."""
        query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit)
        if before is not None:
            query = query.where(AuditRow.id < before)
        return self._database.read(lambda session: [_act(row) for row in session.scalars(query)])


def _act(row: AuditRow) -> Act:
    return Act(row.id, row.at, Actor(row.actor_id, row.actor), row.action, row.target, row.before, row.after)
