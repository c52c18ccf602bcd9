"""The catalogue in SQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal, cast

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from app.domain.audit import Actor, Facts
from app.domain.catalogue import Model
from app.domain.errors import Conflict, NotFound
from app.models.catalogue import LlmModel, ProviderKey
from app.repositories.audit import record
from app.repositories.database import Database
from app.repositories.epochs import CATALOGUE, raise_epoch
from app.repositories.prices import price_columns, price_of
from app.repositories.provider_keys import SealedKey, facts_of, row_of

Origin = Literal["seed", "admin", "config", "list"]
#: Whose rows seeding keeps off: config for those of `/config/model`.
MADE_BY_ADMINS: Final[tuple[Origin, ...]] = ("admin", "config")
#: What the audit needs not be told of a row.
_UNTOLD: Final = frozenset({"id", "rank", "updated_at"})


class ModelRows:
    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> tuple[Model, ...]:
        """Every row, in the catalogue's own order."""
        query = select(LlmModel).order_by(LlmModel.rank, LlmModel.id)
        return self._database.read(lambda session: tuple(model_of(row) for row in session.scalars(query)))

    def save(self, model: Model, origin: Origin, now: datetime) -> Model:
        """Insert or replace the row of this integration and name, and give it back with the id it has."""

        def work(session: Session) -> Model:
            row = _find(session, model)
            row = row if row is not None else _new(session, model)
            _fill(row, _columns(model), origin, now)
            raise_epoch(session, CATALOGUE)
            return model_of(row)

        return self._database.write(work)

    def seed(self, models: Iterable[Model], now: datetime, whole: Collection[str] = ()) -> int:
        """Insert the rows that are missing and bring those that seeding made up to date; how many changed.

        Rows that an admin made or edited, or a provider's list, stay as they are, and so does what was learned of a
        seeded one (why it is unavailable). whole: integrations of which seeded rows that are not among `models` go.
        """
        wanted = {(model.integration, model.name): model for model in models}

        def work(session: Session) -> int:
            stale, gone = _differences(session, wanted, whole)
            for model, row in stale:
                _fill(row if row is not None else _new(session, model), _seeded(model), "seed", now)
            for row in gone:
                session.delete(row)
            if stale or gone:
                raise_epoch(session, CATALOGUE)
            return len(stale) + len(gone)

        # A look that needs no lock, so that a start with nothing to do waits for nobody.
        same = self._database.read(lambda session: not any(_differences(session, wanted, whole)))
        return 0 if same else self._database.write(work)

    def withdraw(self, model_id: str, reason: str, now: datetime) -> bool:
        """Say why a model cannot answer any more; False where its row says so already, or is gone."""

        def work(session: Session) -> bool:
            row = session.get(LlmModel, model_id)
            if row is None or row.unavailable is not None:
                return False
            row.unavailable = reason
            row.updated_at = now
            raise_epoch(session, CATALOGUE)
            return True

        return self._database.write(work)

    def origin(self, model_id: str) -> Origin | None:
        """Who made a row; None where there is none of this id."""
        query = select(LlmModel.origin).where(LlmModel.id == model_id)
        return cast("Origin | None", self._database.read(lambda session: session.scalar(query)))

    def made_here(self) -> tuple[Model, ...]:
        """The rows with an address of their own that admins made, in the catalogue's order."""
        query = select(LlmModel).where(LlmModel.origin.in_(MADE_BY_ADMINS), LlmModel.base_url.is_not(None))
        ordered = query.order_by(LlmModel.rank, LlmModel.id)
        return self._database.read(lambda session: tuple(model_of(row) for row in session.scalars(ordered)))

    def add(self, model: Model, actor: Actor, now: datetime, key: SealedKey | None, origin: Origin = "admin") -> None:
        """An admin's new row, with the key that came with it. Raises Conflict where there is such a one."""

        def work(session: Session) -> None:
            if _find(session, model) is not None or session.get(LlmModel, model.id) is not None:
                raise Conflict("There is a model of this provider and name.", field="name")
            insert_row(session, model, origin, now, actor)
            _add_key(session, key, actor)
            raise_epoch(session, CATALOGUE)

        self._database.write(work)

    def amend(
        self, model_id: str, changes: Mapping[str, Any], actor: Actor, now: datetime, key: SealedKey | None
    ) -> None:
        """An admin's change; seeding keeps off the row from now on. changes: fields of Model. Raises NotFound."""

        def work(session: Session) -> None:
            row = session.get(LlmModel, model_id, with_for_update=True)
            if row is None:
                raise NotFound("There is no such model.")
            origin: Origin = "config" if row.origin == "config" else "admin"
            change_row(session, row, replace(model_of(row), **changes), origin, now, actor)
            _add_key(session, key, actor)
            raise_epoch(session, CATALOGUE)

        self._database.write(work)

    def delete(self, model_id: str, actor: Actor) -> None:
        """Raises NotFound, and Conflict for a seeded row, which the next start would bring back."""

        def work(session: Session) -> None:
            row = session.get(LlmModel, model_id, with_for_update=True)
            if row is None:
                raise NotFound("There is no such model.")
            if row.origin == "seed":
                raise Conflict("This model is part of the catalogue: set active to false instead.")
            delete_row(session, row, actor)
            raise_epoch(session, CATALOGUE)

        self._database.write(work)

    def remove(self, model_id: str) -> bool:
        """False where there is none of this id."""

        def work(session: Session) -> bool:
            gone = session.execute(delete(LlmModel).where(LlmModel.id == model_id).returning(LlmModel.id)).first()
            if gone is not None:
                raise_epoch(session, CATALOGUE)
            return gone is not None

        return self._database.write(work)


def insert_row(session: Session, model: Model, origin: Origin, now: datetime, actor: Actor) -> None:
    """An admin's new row in the session's transaction."""
    row = _new(session, model)
    _fill(row, _columns(model), origin, now)
    record(session, actor, "model.add", model.id, None, _facts(row))


def change_row(session: Session, row: LlmModel, model: Model, origin: Origin, now: datetime, actor: Actor) -> None:
    """Make a row of the session's transaction what the model says."""
    before = _facts(row)
    _fill(row, _columns(model), origin, now)
    record(session, actor, "model.change", row.id, before, _facts(row))


def delete_row(session: Session, row: LlmModel, actor: Actor) -> None:
    record(session, actor, "model.delete", row.id, _facts(row), None)
    session.delete(row)


def _differences(
    session: Session, wanted: Mapping[tuple[str, str], Model], whole: Collection[str]
) -> tuple[list[tuple[Model, LlmModel | None]], list[LlmModel]]:
    """The wanted models that are not stored as they are, each with its row; and the rows that nobody wants."""
    rows = {(row.integration, row.name): row for row in session.scalars(select(LlmModel))}
    stale = [(model, rows.get(key)) for key, model in wanted.items() if _is_stale(rows.get(key), model)]
    gone = [row for key, row in rows.items() if row.origin == "seed" and row.integration in whole and key not in wanted]
    return stale, gone


def _is_stale(row: LlmModel | None, model: Model) -> bool:
    if row is None:
        return True
    return row.origin == "seed" and any(getattr(row, name) != value for name, value in _seeded(model).items())


def _seeded(model: Model) -> dict[str, Any]:
    columns = _columns(model)
    del columns["unavailable"]
    return columns


def _new(session: Session, model: Model) -> LlmModel:
    row = LlmModel(id=model.id)
    session.add(row)
    return row


def _find(session: Session, model: Model) -> LlmModel | None:
    return session.scalar(
        select(LlmModel).where(LlmModel.integration == model.integration, LlmModel.name == model.name)
    )


def _fill(row: LlmModel, columns: Mapping[str, Any], origin: Origin, now: datetime) -> None:
    for name, value in columns.items():
        setattr(row, name, value)
    row.origin = origin
    row.updated_at = now


def _add_key(session: Session, key: SealedKey | None, actor: Actor) -> None:
    if key is None:
        return
    before = session.get(ProviderKey, key.id)
    if before is None:
        session.add(row_of(key))
        record(session, actor, "provider_key.add", key.id, None, facts_of(key))
    else:
        record(session, actor, "provider_key.change", key.id, {"mask": before.mask}, {"mask": key.mask})
        before.sealed, before.mask = key.sealed, key.mask


def _facts(row: LlmModel) -> Facts:
    names = [column.name for column in LlmModel.__table__.columns if column.name not in _UNTOLD]
    return {name: getattr(row, name) for name in names}


def _columns(model: Model) -> dict[str, Any]:
    return {
        "integration": model.integration,
        "name": model.name,
        "context_window": model.context_window,
        "max_output": model.max_output,
        "inputs": sorted(model.inputs),
        "outputs": sorted(model.outputs),
        "active": model.active,
        "reasoning": model.reasoning,
        "chat": model.chat,
        "tools": model.tools,
        "abilities_known": model.abilities_known,
        "base_url": model.base_url,
        "unavailable": model.unavailable,
        "rank": model.rank,
        "rpm": model.rpm,
        "tpm": model.tpm,
        **price_columns(model.price),
    }


def model_of(row: LlmModel) -> Model:
    return Model(
        id=row.id,
        integration=row.integration,
        name=row.name,
        context_window=row.context_window,
        max_output=row.max_output,
        inputs=frozenset(row.inputs),
        outputs=frozenset(row.outputs),
        price=price_of(row),
        active=row.active,
        reasoning=row.reasoning,
        chat=row.chat,
        tools=row.tools,
        abilities_known=row.abilities_known,
        base_url=row.base_url,
        unavailable=row.unavailable,
        rank=row.rank,
        rpm=row.rpm,
        tpm=row.tpm,
    )
