"""What was learned of models, as admins are shown it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from marshmallow import fields

from app.domain.money import NANO
from app.domain.policies.bandit import Weights
from app.schemas.base import Schema, enveloped
from app.services.chat.routing_report import Belief, KindReport


class BeliefShape(Schema):
    model = fields.String(required=True)
    provider = fields.String(required=True)
    mean = fields.Float(required=True, metadata={"description": "How likely an answer satisfies, 0 to 1."})
    low = fields.Float(required=True, metadata={"description": "The mean is above it, on 95 %."})
    high = fields.Float(required=True, metadata={"description": "The mean is below it, on 95 %."})
    samples = fields.Integer(required=True, metadata={"description": "Pieces of evidence since ever."})
    weight = fields.Float(required=True, metadata={"description": "What of them still counts."})
    ratings = fields.Float(required=True, metadata={"description": "Ratings that still count."})
    cost = fields.Float(required=True, allow_none=True, metadata={"description": "USD of an answer; null: no price."})
    latency_ms = fields.Integer(required=True, allow_none=True)
    value = fields.Float(required=True, metadata={"description": "The mean less cost and slowness."})
    share = fields.Float(required=True, metadata={"description": "How often it would be asked first, 0 to 1."})
    why = fields.String(required=True)


class KindShape(Schema):
    kind = fields.String(required=True)
    auto = fields.Boolean(required=True, metadata={"description": "`auto` goes by this without being told to."})
    models = fields.List(fields.Nested(BeliefShape), required=True)


class WeightsShape(Schema):
    cost = fields.Float(required=True)
    latency = fields.Float(required=True)


class RoutingShape(Schema):
    strategy = fields.String(required=True, metadata={"description": "What `auto` goes by where too little is known."})
    weights = fields.Nested(WeightsShape, required=True)
    kinds = fields.List(fields.Nested(KindShape), required=True)


RoutingReply = enveloped(RoutingShape(), "RoutingReply")


def shown_routing(strategy: str, weights: Weights, kinds: Iterable[KindReport]) -> dict[str, Any]:
    return {
        "strategy": strategy,
        "weights": {"cost": weights.cost, "latency": weights.latency},
        "kinds": [
            {"kind": found.kind, "auto": found.auto, "models": [_shown(belief) for belief in found.beliefs]}
            for found in kinds
        ],
    }


def _shown(belief: Belief) -> dict[str, Any]:
    arm, stake = belief.arm, belief.stake
    return {
        "model": belief.model.name,
        "provider": belief.model.integration,
        "mean": round(stake.mean, 3),
        "low": round(belief.low, 3),
        "high": round(belief.high, 3),
        "samples": arm.samples,
        "weight": round(arm.weight, 2),
        "ratings": round(arm.ratings, 2),
        "cost": None if stake.cost is None else round(stake.cost / NANO, 9),
        "latency_ms": round(arm.ms / arm.chats) if arm.chats else None,
        "value": round(stake.value, 3),
        "share": round(belief.share, 3),
        "why": _why(belief),
    }


def _why(belief: Belief) -> str:
    arm, stake = belief.arm, belief.stake
    if not arm.samples:
        return f"not seen yet; taken for {stake.mean:.2f}, less {stake.minus:.2f} for cost and slowness"
    return (
        f"{arm.samples} seen, what counts of them says {stake.mean:.2f} ({belief.low:.2f} to {belief.high:.2f}), "
        f"less {stake.minus:.2f} for cost and slowness"
    )
