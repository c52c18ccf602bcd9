"""Templates as a part of the configuration: those that everybody may use."""

from __future__ import annotations

from datetime import datetime
from typing import cast

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.domain.accounts import GUEST_ID
from app.domain.audit import Actor
from app.domain.configuration import TemplateEntry
from app.domain.policies.names import identity_key
from app.domain.templates import Draft, Template
from app.models.accounts import UserRow
from app.models.templates import TemplateRow
from app.repositories.audit import record
from app.repositories.templates import facts_of, insert, present_version, template_of, update


class TakenBackError(Exception):
    """Whose template it is shares it no more, or deleted it."""


def entries(session: Session) -> tuple[TemplateEntry, ...]:
    """The house's own and the shared ones, but for those that are as they were seeded."""
    query = (
        select(TemplateRow, UserRow.username)
        .outerjoin(UserRow, UserRow.id == TemplateRow.user_id)
        .where(TemplateRow.deleted_at.is_(None), TemplateRow.seeded.is_(False))
        .where(or_(TemplateRow.shared, TemplateRow.user_id.is_(None)))
        .order_by(TemplateRow.seed_key, TemplateRow.id)
    )
    found = session.execute(query).all()
    return tuple(_entry(row, template_of(row, present_version(session, row)), owner) for row, owner in found)


def put_entry(session: Session, entry: TemplateEntry, actor: Actor, now: datetime) -> bool:
    """Make it so; False where it was. A new one belongs to its owner, or where there is no such user to the house.

    Raises TakenBackError.
    """
    where = TemplateRow.seed_key == entry.key if entry.key else TemplateRow.id == entry.id
    row = session.scalars(select(TemplateRow).where(where).with_for_update()).first()
    if row is None:
        owner = _user_id(session, entry.owner)
        made, _ = insert(session, entry.draft, now, owner=owner, seed_key=entry.key, template_id=entry.id)
        record(session, actor, "template.add", made.id, None, facts_of(made))
        return True
    if row.user_id is not None and (row.deleted_at is not None or not row.shared):
        raise TakenBackError
    version = present_version(session, row)
    if row.deleted_at is None and not row.seeded and _draft(template_of(row, version)) == entry.draft:
        return False
    row.deleted_at = None
    update(session, row, version, entry.draft, now, actor)
    return True


def _entry(row: TemplateRow, template: Template, owner: str | None) -> TemplateEntry:
    return TemplateEntry(_draft(template), None if row.seed_key else row.id, row.seed_key, owner)


def _draft(template: Template) -> Draft:
    return Draft(template.name, template.category, template.content, template.shared, template.variables)


def _user_id(session: Session, username: str | None) -> str | None:
    if username is None:
        return None
    query = select(UserRow.id).where(UserRow.name_key == identity_key(username), UserRow.id != GUEST_ID)
    return cast("str | None", session.scalar(query))
