"""What is held of budgets for a chat, and the periods that budgets are of. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from app.domain.caller import Bound, Budget, Period
from app.domain.chat import Work
from app.domain.errors import BudgetExceeded
from app.domain.money import PER_MILLION, Price
from app.domain.policies.tokens import PICTURE_TOKENS, SECOND_TOKENS

NAMES = {"key": "key's", "user": "user's", "model": "model's", "global": "installation's"}
UNKNOWN_ANSWER = 512
LONGEST_FIRST_LEASE = 1_024
#: Tokens that a model may say about a picture.
WORDS_BESIDE = 64


def lease_price(price: Price | None, work: Work) -> Price | None:
    """The price by which money is held: what is sold by the picture or the minute as what its tokens would cost."""
    if price is None or work == "chat":
        return price
    if work == "picture" and price.image is not None:
        return replace(price, output=-(-price.image * PER_MILLION // PICTURE_TOKENS))
    if work == "transcript" and price.minute is not None:
        return replace(price, input=-(-price.minute * PER_MILLION // (60 * SECOND_TOKENS)))
    return price


def answer_tokens(max_tokens: int | None, choices: int, work: Work = "chat") -> int:
    """Tokens of output that the first lease covers: what the caller allows, or what an answer has as a rule.

    max_tokens: the caller's cap of one answer; choices: how many answers are asked for. Pictures are paid whole,
    vectors by their prompt alone.
    """
    if work == "embedding":
        return 0
    if work == "picture":
        return (PICTURE_TOKENS + WORDS_BESIDE) * choices
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


def budget_spent(bound: Bound, day: date, reason: str = "spent") -> BudgetExceeded:
    """The error of who may spend no more of this budget. reason: spent or price_unknown."""
    end = period_end(bound.budget, day) if bound.budget else None
    why = "is spent" if reason == "spent" else "holds, and no price is known for this model"
    return BudgetExceeded(
        f"the {NAMES[bound.scope]} budget {why}",
        details={
            "limit": bound.scope,
            "reason": reason,
            "period_end": end.isoformat().replace("+00:00", "Z") if end else None,
        },
    )


def cost(tokens: int, price: int) -> int:
    """Whole nano-USD of so many tokens at a price a million, rounded up."""
    return -(-tokens * price // PER_MILLION)
