"""Reports, from the rollups alone: the ledger is too long to be read for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.domain.reports import Group, ModelTotals, UsageRow
from app.models.accounts import ApiKeyRow, UserRow
from app.models.rollups import Rollup
from app.repositories.database import Database
from app.repositories.histograms import unpack

_COLUMNS: Mapping[Group, InstrumentedAttribute[str]] = {
    "model": Rollup.model,
    "day": Rollup.day,
    "key": Rollup.key_id,
    "user": Rollup.user_id,
}
#: Names asked for in one statement; SQLite takes 32,766 values in one.
_NAMES = 10_000


class Reports:
    """user_id: whose chats, None for everybody's."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._merge: Any = func.histogram_sum if database.is_sqlite else func.sum

    def usage(self, group: Group, first: str, last: str, user_id: str | None) -> list[UsageRow]:
        """The sums of the days from `first` to `last` (YYYY-MM-DD, inclusive): by day in order, else the most first."""
        column = _COLUMNS[group]
        query = (
            select(
                column,
                func.sum(Rollup.requests),
                func.sum(Rollup.prompt_tokens),
                func.sum(Rollup.completion_tokens),
                func.sum(Rollup.charge),
                self._merge(Rollup.latency),
                self._merge(Rollup.ttft),
            )
            .where(Rollup.day >= first, Rollup.day <= last, *_of(user_id))
            .group_by(column)
            .order_by(*((column,) if group == "day" else (func.sum(Rollup.requests).desc(), column)))
        )

        def work(session: Session) -> list[UsageRow]:
            rows = session.execute(query).all()
            return list(_rows(group, rows, _names(session, group, [row[0] for row in rows])))

        return self._database.read(work)

    def totals(self, user_id: str | None) -> list[ModelTotals]:
        """All that ever was, by model, the most used first."""
        query = (
            select(
                Rollup.model,
                func.sum(Rollup.requests),
                func.sum(Rollup.cached),
                func.sum(Rollup.fallback),
                func.sum(Rollup.latency_ms),
            )
            .where(*_of(user_id))
            .group_by(Rollup.model)
            .order_by(func.sum(Rollup.requests).desc(), Rollup.model)
        )
        rows = self._database.read(lambda session: session.execute(query).all())
        return [ModelTotals(row[0], *map(int, row[1:])) for row in rows]


def _of(user_id: str | None) -> list[ColumnElement[bool]]:
    return [] if user_id is None else [Rollup.user_id == user_id]


def _names(session: Session, group: Group, ids: list[str]) -> dict[str, str]:
    """The names of keys or users, of those that there still are."""
    if group not in ("key", "user"):
        return {}
    found: dict[str, str] = {}
    for start in range(0, len(ids), _NAMES):
        some = ids[start : start + _NAMES]
        query = (
            select(ApiKeyRow.id, ApiKeyRow.name).where(ApiKeyRow.id.in_(some))
            if group == "key"
            else select(UserRow.id, UserRow.username).where(UserRow.id.in_(some))
        )
        found |= {row[0]: row[1] for row in session.execute(query)}
    return found


def _rows(group: Group, rows: Iterable[Any], names: Mapping[str, str]) -> Iterable[UsageRow]:
    for value, requests, prompt, completion, charge, latency, ttft in rows:
        shown = names.get(value, value) if group == "user" else value or None
        name = names.get(value) if group == "key" else None
        yield UsageRow(
            shown, name, int(requests), int(prompt), int(completion), int(charge), unpack(latency), unpack(ttft)
        )
