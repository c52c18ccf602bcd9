"""Receipts: what the ledger keeps of one request."""

from __future__ import annotations

from typing import cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.domain.events import Attempt
from app.domain.ledger import LedgerRow, State
from app.domain.receipt import Receipt
from app.domain.usage import Usage, UsageSource
from app.models.ledger import AttemptRow, Request
from app.repositories.database import Database
from app.repositories.prices import price_of


class Requests:
    def __init__(self, database: Database) -> None:
        self._database = database

    def receipt(self, user_id: str, prompt_id: str) -> Receipt | None:
        """The settled request with its attempts in order; None where this user has none such."""

        def work(session: Session) -> Receipt | None:
            row = session.scalar(select(Request).where(Request.prompt_id == prompt_id, Request.user_id == user_id))
            if row is None:
                return None
            query = select(AttemptRow).where(AttemptRow.prompt_id == prompt_id).order_by(AttemptRow.n)
            return Receipt(_row(row), tuple(_attempt(attempt) for attempt in session.scalars(query)))

        return self._database.read(work)


def _row(row: Request) -> LedgerRow:
    return LedgerRow(
        prompt_id=row.prompt_id,
        user_id=row.user_id,
        key_id=row.key_id,
        door=row.door,
        model=row.model,
        provider=row.provider,
        state=cast("State", row.state),
        usage=_usage(row),
        charge=row.charge,
        price=price_of(row),
        cached=row.cached,
        fallback=row.fallback,
        skipped_chunks=row.skipped_chunks,
        ttft_ms=row.ttft_ms,
        latency_ms=row.latency_ms,
        created_at=row.created_at,
        lost=row.lost,
    )


def _attempt(row: AttemptRow) -> Attempt:
    return Attempt(
        n=row.n,
        model=row.model,
        provider=row.provider,
        key_mask=row.key_mask,
        reason=row.reason,
        started_ms=row.started_ms,
        latency_ms=row.latency_ms,
        ttft_ms=row.ttft_ms,
        status=row.status,
        error=row.error,
        usage=None if row.usage_source is None else _usage(row),
        next=row.next,
    )


def _usage(row: Request | AttemptRow) -> Usage:
    return Usage(
        prompt=row.prompt_tokens or 0,
        completion=row.completion_tokens or 0,
        cached=row.cached_tokens or 0,
        reasoning=row.reasoning_tokens or 0,
        source=cast("UsageSource", row.usage_source),
    )
