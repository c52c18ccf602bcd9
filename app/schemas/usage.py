"""Reports at the doors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any

from marshmallow import ValidationError, fields

from app.domain.money import usd
from app.domain.policies.histogram import percentile
from app.domain.ratings import RatingTotals
from app.domain.reports import Group, ModelTotals, UsageRow
from app.schemas.base import Choice, Moment, Schema, Text, enveloped

SHARES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


class Day(Text):
    """A day of UTC as 2026-11-21, in this one spelling."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            if text.isascii() and date.fromisoformat(text).isoformat() == text:
                return text
        except ValueError:
            pass
        raise ValidationError("Must be a day, as 2026-11-21.")


UsageQuery = Schema.from_dict(
    {
        "from": Day(metadata={"description": "The first day (UTC), 2026-11-21; left out: 29 days before `to`."}),
        "to": Day(metadata={"description": "The last day, inclusive; left out: today."}),
        "group_by": Choice("model", "day", "key", "user", load_default="model"),
    },
    name="UsageQuery",
)


class PercentilesShape(Schema):
    """Milliseconds, true to about a tenth; null where nothing was timed."""

    p50 = fields.Integer(required=True, allow_none=True)
    p95 = fields.Integer(required=True, allow_none=True)
    p99 = fields.Integer(required=True, allow_none=True)


class UsageRowShape(Schema):
    model = fields.String()
    day = fields.String()
    key = fields.String(allow_none=True, metadata={"description": "The key's id; null: without a key."})
    name = fields.String(allow_none=True, metadata={"description": "The key's name."})
    user = fields.String()
    requests = fields.Integer(required=True)
    prompt_tokens = fields.Integer(required=True)
    completion_tokens = fields.Integer(required=True)
    total_tokens = fields.Integer(required=True)
    cost = fields.Float(required=True, metadata={"description": "USD"})
    latency_ms = fields.Nested(PercentilesShape, required=True)
    ttft_ms = fields.Nested(PercentilesShape, required=True)


class UsageShape(Schema):
    rows = fields.List(fields.Nested(UsageRowShape), required=True)


UsageReply = enveloped(UsageShape(), "UsageReply")


class ProviderKeyStats(Schema):
    provider = fields.String(required=True)
    key = fields.String(required=True, metadata={"description": "Masked."})
    usage_count = fields.Integer(required=True)
    last_error = fields.String(required=True, allow_none=True)
    is_current = fields.Boolean(required=True, metadata={"description": "The next request is asked with it."})
    cooling_until = Moment(required=True, allow_none=True)


class StatsShape(Schema):
    total_prompts = fields.Integer(required=True)
    model_usage = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    average_latency_ms = fields.Float(required=True, allow_none=True)
    average_rating = fields.Float(required=True, allow_none=True)
    model_ratings = fields.Dict(keys=fields.String(), values=fields.Float(), required=True)
    fallback_count = fields.Integer(required=True)
    cache_hits = fields.Integer(required=True)
    cache_size = fields.Integer(required=True)
    api_key_stats = fields.List(fields.Nested(ProviderKeyStats), metadata={"description": "For an admin alone."})


def shown_usage(group: Group, rows: Iterable[UsageRow]) -> list[dict[str, Any]]:
    return [_shown_row(group, row) for row in rows]


def _shown_row(group: Group, row: UsageRow) -> dict[str, Any]:
    named = {"name": row.name} if group == "key" else {}
    return {
        group: row.group,
        **named,
        "requests": row.requests,
        "prompt_tokens": row.prompt_tokens,
        "completion_tokens": row.completion_tokens,
        "total_tokens": row.prompt_tokens + row.completion_tokens,
        "cost": usd(row.charge),
        "latency_ms": _percentiles(row.latency),
        "ttft_ms": _percentiles(row.ttft),
    }


def _percentiles(histogram: int) -> dict[str, int | None]:
    return {name: percentile(histogram, share) for name, share in SHARES.items()}


def shown_stats(totals: Iterable[ModelTotals], ratings: Iterable[RatingTotals], kept: int) -> dict[str, Any]:
    """Without the keys. kept: answers in the cache."""
    rows = list(totals)
    rated, points = _by_model(ratings)
    prompts = sum(row.requests for row in rows)
    return {
        "total_prompts": prompts,
        "model_usage": {row.model: row.requests for row in rows},
        "average_latency_ms": round(sum(row.latency_ms for row in rows) / prompts, 1) if prompts else None,
        "average_rating": round(points.total() / rated.total(), 2) if rated else None,
        "model_ratings": {model: round(points[model] / rated[model], 2) for model in rated},
        "fallback_count": sum(row.fallback for row in rows),
        "cache_hits": sum(row.cached for row in rows),
        "cache_size": kept,
    }


def _by_model(ratings: Iterable[RatingTotals]) -> tuple[Counter[str], Counter[str]]:
    """How many ratings each model name has, whoever serves it, and their sums."""
    rated: Counter[str] = Counter()
    points: Counter[str] = Counter()
    for row in ratings:
        if row.ratings:
            rated[row.model] += row.ratings
            points[row.model] += row.total
    return rated, points
