"""Templates in SQL. Every read and write is held to what its viewer may see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, and_, false, func, or_, select
from sqlalchemy.orm import Session

from app.domain.audit import Actor, Facts
from app.domain.errors import Conflict, Forbidden, NotFound
from app.domain.templates import Draft, Template, Variable, Viewer
from app.models.templates import TemplateRow, TemplateVersionRow
from app.repositories.audit import record
from app.repositories.database import Database
from app.repositories.epochs import raise_epoch
from app.utils.ids import new_id

#: The counter that every change of a template raises.
EPOCH: Final = "templates"
MOST_OF_ONE: Final = 500
MOST_VERSIONS: Final = 1_000
Pair = tuple[TemplateRow, TemplateVersionRow]


class TemplateRows:
    def __init__(self, database: Database) -> None:
        self._database = database

    def page(self, viewer: Viewer, limit: int, before: str | None, category: str | None = None) -> list[Template]:
        """What the viewer sees, newest first, from after the one with the id `before`."""
        query = _rows(viewer).order_by(TemplateRow.id.desc()).limit(limit)
        if before is not None:
            query = query.where(TemplateRow.id < before)
        if category is not None:
            query = query.where(TemplateRow.category == category)
        return self._database.read(lambda session: [_template(row) for row in session.execute(query)])

    def find(self, viewer: Viewer, template_id: str, version: int | None = None) -> Template | None:
        """One of those that the viewer sees, in the version that serves or another one."""
        query = _rows(viewer, version).where(TemplateRow.id == template_id)

        def work(session: Session) -> Template | None:
            row = session.execute(query).first()
            return _template(row) if row else None

        return self._database.read(work)

    def add(self, viewer: Viewer, draft: Draft, now: datetime) -> Template:
        """The viewer's new template, version 1. Raises Conflict at too many."""

        def work(session: Session) -> Template:
            own = select(func.count()).where(TemplateRow.user_id == viewer.user_id, TemplateRow.deleted_at.is_(None))
            if (session.scalar(own) or 0) >= MOST_OF_ONE:
                raise Conflict(f"A user has at most {MOST_OF_ONE} templates; delete one first.")
            made = insert(session, draft, now, owner=viewer.user_id)
            raise_epoch(session, EPOCH)
            return template_of(*made)

        return self._database.write(work)

    def amend(self, viewer: Viewer, template_id: str, revise: Callable[[Template], Draft], now: datetime) -> Template:
        """Change it to what `revise` makes of it; another text or other variables are a new version.

        Raises NotFound, Forbidden where the viewer may only use it, Conflict at too many versions, and what `revise`
        raises.
        """

        def work(session: Session) -> Template:
            row, version = _held(session, viewer, template_id)
            before = template_of(row, version)
            changed = update(session, row, version, revise(before), now, _actor(viewer, before))
            raise_epoch(session, EPOCH)
            return template_of(*changed)

        return self._database.write(work)

    def delete(self, viewer: Viewer, template_id: str, now: datetime) -> None:
        """Its versions stay, since conversations name them. Raises NotFound, Forbidden."""

        def work(session: Session) -> None:
            row, version = _held(session, viewer, template_id)
            actor = _actor(viewer, template_of(row, version))
            if actor is not None:
                record(session, actor, "template.delete", row.id, facts_of(row), None)
            row.deleted_at = now
            raise_epoch(session, EPOCH)

        self._database.write(work)

    def seed(self, drafts: Mapping[str, Draft], now: datetime) -> int:
        """Bring the seeded ones up to date, by their keys; how many changed. What an admin changed or deleted stays."""

        def work(session: Session) -> int:
            stale = _stale(session, drafts)
            for key, found in stale:
                if found is None:
                    insert(session, drafts[key], now, owner=None, seed_key=key, seeded=True)
                else:
                    update(session, *found, drafts[key], now, None, seeded=True)
            if stale:
                raise_epoch(session, EPOCH)
            return len(stale)

        # A look that needs no lock, so that a start with nothing to do waits for nobody.
        same = self._database.read(lambda session: not _stale(session, drafts))
        return 0 if same else self._database.write(work)


def insert(
    session: Session,
    draft: Draft,
    now: datetime,
    *,
    owner: str | None,
    seed_key: str | None = None,
    seeded: bool = False,
    template_id: str | None = None,
) -> Pair:
    """A new template in the session's transaction."""
    row = TemplateRow(
        id=template_id or new_id(), user_id=owner, name=draft.name, category=draft.category, shared=draft.shared,
        version=1, seed_key=seed_key, seeded=seeded, created_at=now, updated_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row, _add_version(session, row, draft, now)


def update(
    session: Session,
    row: TemplateRow,
    version: TemplateVersionRow,
    draft: Draft,
    now: datetime,
    actor: Actor | None,
    *,
    seeded: bool = False,
) -> Pair:
    """Make a template of the session's transaction what the draft says. actor: who is not its owner, for the audit."""
    before = facts_of(row)
    if (version.content, version.variables) != (draft.content, _stored(draft.variables)):
        if row.version >= MOST_VERSIONS:
            raise Conflict(f"A template has at most {MOST_VERSIONS} versions; make a new one.")
        row.version += 1
        version = _add_version(session, row, draft, now)
    row.name, row.category, row.shared = draft.name, draft.category, draft.shared
    row.seeded, row.updated_at = seeded, now
    if actor is not None:
        record(session, actor, "template.change", row.id, before, facts_of(row))
    return row, version


def _add_version(session: Session, row: TemplateRow, draft: Draft, now: datetime) -> TemplateVersionRow:
    version = TemplateVersionRow(
        id=new_id(), template_id=row.id, version=row.version, content=draft.content,
        variables=_stored(draft.variables), created_at=now,
    )  # fmt: skip
    session.add(version)
    return version


def _sees(viewer: Viewer) -> ColumnElement[bool]:
    seeded = TemplateRow.user_id.is_(None) if viewer.admin else false()
    return and_(
        TemplateRow.deleted_at.is_(None), or_(TemplateRow.user_id == viewer.user_id, TemplateRow.shared, seeded)
    )


def _rows(viewer: Viewer, version: int | None = None) -> Select[TemplateRow, TemplateVersionRow]:
    wanted = TemplateRow.version if version is None else version
    joined = and_(TemplateVersionRow.template_id == TemplateRow.id, TemplateVersionRow.version == wanted)
    query = select(TemplateRow, TemplateVersionRow).join(TemplateVersionRow, joined).where(_sees(viewer))
    if version is None or viewer.admin:
        return query
    # What is shared is what it says now: what it said before may have been its owner's alone.
    return query.where(or_(TemplateRow.user_id == viewer.user_id, TemplateRow.version == version))


def present_version(session: Session, row: TemplateRow) -> TemplateVersionRow:
    """The version that serves."""
    wanted = and_(TemplateVersionRow.template_id == row.id, TemplateVersionRow.version == row.version)
    return session.scalars(select(TemplateVersionRow).where(wanted)).one()


def _held(session: Session, viewer: Viewer, template_id: str) -> Pair:
    """The template to be changed, locked; its version is read after that, since a change may have come before us."""
    query = select(TemplateRow).where(TemplateRow.id == template_id, _sees(viewer)).with_for_update()
    row = session.scalars(query).first()
    if row is None:
        raise NotFound("There is no such template.")
    version = present_version(session, row)
    if not template_of(row, version).editable_by(viewer):
        raise Forbidden("This template is another's: you may use it, its owner and admins may change it.")
    return row, version


def _stale(session: Session, drafts: Mapping[str, Draft]) -> list[tuple[str, Pair | None]]:
    """The keys of seeded templates that are missing, or not as the drafts have them."""
    joined = and_(TemplateVersionRow.template_id == TemplateRow.id, TemplateVersionRow.version == TemplateRow.version)
    query = (
        select(TemplateRow, TemplateVersionRow).join(TemplateVersionRow, joined).where(TemplateRow.seed_key.in_(drafts))
    )
    found: dict[str | None, Pair] = {row.seed_key: (row, version) for row, version in session.execute(query)}
    return [(key, found.get(key)) for key, draft in drafts.items() if key not in found or _differs(found[key], draft)]


def _differs(found: Pair, draft: Draft) -> bool:
    row, version = found
    if not row.seeded or row.deleted_at is not None:
        return False
    template = template_of(row, version)
    return draft != Draft(template.name, template.category, template.content, template.shared, template.variables)


def _actor(viewer: Viewer, template: Template) -> Actor | None:
    """Who acts on what is not their own: an admin, and that is told in the audit."""
    return None if template.owner == viewer.user_id else Actor(viewer.user_id, viewer.username)


def facts_of(row: TemplateRow) -> Facts:
    return {"name": row.name, "category": row.category, "shared": row.shared, "version": row.version}


def _stored(variables: Iterable[Variable]) -> list[dict[str, Any]]:
    return [asdict(variable) | {"choices": list(variable.choices)} for variable in variables]


def _variable(stored: Mapping[str, Any]) -> Variable:
    return Variable(stored["name"], stored["type"], stored["default"], tuple(stored["choices"]))


def _template(row: Row[TemplateRow, TemplateVersionRow]) -> Template:
    return template_of(row[0], row[1])


def template_of(row: TemplateRow, version: TemplateVersionRow) -> Template:
    return Template(
        id=row.id,
        owner=row.user_id,
        name=row.name,
        category=row.category,
        shared=row.shared,
        version=version.version,
        version_id=version.id,
        content=version.content,
        variables=tuple(_variable(stored) for stored in version.variables),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
