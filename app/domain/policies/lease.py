"""What is held of budgets for a chat, and the periods that budgets are of. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from app.domain.caller import Budget, Period

UNKNOWN_ANSWER = 512
LONGEST_FIRST_LEASE = 1_024


def answer_tokens(max_tokens: int | None, choices: int) -> int:
    """Tokens of output that the first lease covers: what the caller allows, or what an answer has as a rule.

    max_tokens: the caller's cap of one answer; choices: how many answers are asked for.
    """
    return min((UNKNOWN_ANSWER if max_tokens is None else max_tokens) * choices, LONGEST_FIRST_LEASE)


def period_name(period: Period, day: date) -> str:
    """The period that this day (UTC) is in, as keys and reports name it."""
    text = day.isoformat()
    return {"day": text, "month": text[:7], "total": "total"}[period]


def first_day(period: Period, day: date) -> str:
    """The first day of the period as the ledger writes days, '' for the beginning of time."""
    text = day.isoformat()
    return {"day": text, "month": text[:8] + "01", "total": ""}[period]


def period_end(budget: Budget, day: date) -> datetime | None:
    """When the period ends that this day is in, None for never."""
    if budget.period == "total":
        return None
    after = day + timedelta(days=1)
    if budget.period == "month":
        after = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return datetime(after.year, after.month, after.day, tzinfo=UTC)
