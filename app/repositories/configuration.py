"""The whole configuration in SQL: read at once, written at once or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.domain.audit import Actor
from app.domain.caller import Budget, Limits
from app.domain.catalogue import Model
from app.domain.configuration import Configuration, Imported, ModelEntry, TemplateEntry, UserEntry
from app.domain.errors import Conflict
from app.domain.policies.names import identity_key
from app.models.accounts import UserRow
from app.models.budgets import BudgetRow
from app.models.catalogue import LlmModel
from app.repositories.audit import record
from app.repositories.budgets import INSTALLATION
from app.repositories.database import Database
from app.repositories.epochs import CATALOGUE, raise_epoch
from app.repositories.installation import held_budget, put_budget
from app.repositories.model_rows import MADE_BY_ADMINS, change_row, delete_row, insert_row, model_of
from app.repositories.template_entries import TakenBackError, entries, put_entry
from app.repositories.templates import EPOCH as TEMPLATES
from app.repositories.users import bounds_facts, budget_of, limits_of

SECONDS: Final = 10.0
#: Which counters tell of a change of what.
EPOCHS: Final = {"auth": ("users", "budget"), CATALOGUE: ("models", "budget"), TEMPLATES: ("templates",)}
Key = tuple[str, str]


class ConfigurationRows:
    """shipped: the models of this version's own catalogue, by integration and name."""

    def __init__(self, database: Database, shipped: Mapping[Key, Model]) -> None:
        self._database = database
        self._shipped = shipped

    def read(self) -> Configuration:
        def work(session: Session) -> Configuration:
            row = session.get(BudgetRow, INSTALLATION)
            return Configuration(
                models=_models(session),
                budget=(Budget(row.amount, row.period) if row else None,),  # type: ignore[arg-type]
                users=_users(session),
                templates=entries(session),
            )

        return self._database.read(work, timeout=SECONDS)

    def apply(self, wanted: Configuration, actor: Actor, now: datetime) -> Imported:
        """Make it so, each change with its row in the audit. What is so already is not touched."""

        def work(session: Session) -> Imported:
            skipped: dict[str, str] = {}
            changed = {
                "models": _put_models(session, wanted.models, self._shipped, actor, now),
                "budget": _put_budget(session, wanted.budget, actor),
                "users": _put_users(session, wanted.users, actor, skipped),
                "templates": _put_templates(session, wanted.templates, actor, now, skipped),
            }
            if any(changed.values()):
                record(session, actor, "config.import", INSTALLATION, None, changed)
            # In the order of their names, as whoever raises several does.
            for epoch, kinds in EPOCHS.items():
                if any(changed[kind] for kind in kinds):
                    raise_epoch(session, epoch)
            return Imported(changed, skipped)

        try:
            return self._database.write(work, timeout=SECONDS)
        except IntegrityError as fault:
            raise Conflict("Somebody else changed the same at this moment; send it again.") from fault


def _models(session: Session) -> tuple[ModelEntry, ...]:
    query = select(LlmModel).where(LlmModel.origin.in_(MADE_BY_ADMINS)).order_by(LlmModel.integration, LlmModel.name)
    return tuple(_entry(row) for row in session.scalars(query))


def _entry(row: LlmModel) -> ModelEntry:
    # Where it stands, and what was learned of it, is this installation's own.
    model = replace(model_of(row), id=f"{row.integration}/{row.name}", rank=0, unavailable=None)
    return ModelEntry(model, "config" if row.origin == "config" else "admin")


def _put_models(
    session: Session, wanted: tuple[ModelEntry, ...] | None, shipped: Mapping[Key, Model], actor: Actor, now: datetime
) -> int:
    if wanted is None:
        return 0
    rows = {(row.integration, row.name): row for row in session.scalars(select(LlmModel).with_for_update())}
    changed = 0
    for entry in wanted:
        row = rows.pop((entry.model.integration, entry.model.name), None)
        if row is None:
            insert_row(session, entry.model, entry.made_by, now, actor)
        elif row.origin in MADE_BY_ADMINS and _entry(row) == replace(entry, model=replace(entry.model, rank=0)):
            continue
        else:
            model = replace(entry.model, rank=row.rank, unavailable=row.unavailable)
            change_row(session, row, model, entry.made_by, now, actor)
        changed += 1
    for key, row in rows.items():
        if row.origin not in MADE_BY_ADMINS:
            continue
        if key in shipped:
            change_row(session, row, replace(shipped[key], unavailable=row.unavailable), "seed", now, actor)
        else:
            delete_row(session, row, actor)
        changed += 1
    return changed


def _put_budget(session: Session, wanted: tuple[Budget | None] | None, actor: Actor) -> int:
    if wanted is None or held_budget(session) == wanted[0]:
        return 0
    put_budget(session, wanted[0], actor)
    return 1


def _users(session: Session) -> tuple[UserEntry, ...]:
    bounds = (UserRow.rpm, UserRow.tpm, UserRow.concurrency, UserRow.budget_amount)
    query = select(UserRow).where(or_(*(column.is_not(None) for column in bounds))).order_by(UserRow.name_key)
    return tuple(UserEntry(row.username, limits_of(row), budget_of(row)) for row in session.scalars(query))


def _put_users(session: Session, wanted: tuple[UserEntry, ...] | None, actor: Actor, skipped: dict[str, str]) -> int:
    if wanted is None:
        return 0
    keys = [identity_key(entry.username) for entry in wanted]
    found = select(UserRow).where(UserRow.name_key.in_(keys)).order_by(UserRow.id).with_for_update()
    rows = {row.name_key: row for row in session.scalars(found)}
    changed = 0
    for at, (key, entry) in enumerate(zip(keys, wanted, strict=True)):
        row = rows.get(key)
        if row is None:
            skipped[f"users[{at}]"] = "There is no such user here."
        elif (limits_of(row), budget_of(row)) != (entry.limits, entry.budget):
            before = bounds_facts(row)
            _bind(row, entry.limits, entry.budget)
            record(session, actor, "user.change", row.id, before, bounds_facts(row))
            changed += 1
    return changed


def _bind(row: UserRow, limits: Limits, budget: Budget | None) -> None:
    row.rpm, row.tpm, row.concurrency = limits.rpm, limits.tpm, limits.concurrency
    row.budget_amount = budget.amount if budget else None
    row.budget_period = budget.period if budget else None


def _put_templates(
    session: Session,
    wanted: tuple[TemplateEntry, ...] | None,
    actor: Actor,
    now: datetime,
    skipped: dict[str, str],
) -> int:
    changed = 0
    for at, entry in enumerate(wanted or ()):
        try:
            changed += put_entry(session, entry, actor, now)
        except TakenBackError:
            skipped[f"templates[{at}]"] = "Its owner took it back."
    return changed
