"""Ratings at the doors."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from app.domain.ratings import Rating
from app.schemas.base import Moment, Schema, Text, Whole, enveloped
from app.utils.clock import rfc3339


class RatingBody(Schema):
    prompt_id = Text(required=True, least=1, most=128)
    rating = Whole(required=True, least=1, most=5)
    feedback = Text(metadata={"description": "At most 10,000 characters, else 413."})


class ShortRatingBody(RatingBody):
    model = Text(least=1, most=300, metadata={"description": "400 where it is not the one that answered."})


class RatingShape(Schema):
    prompt_id = fields.String(required=True)
    rating = fields.Integer(required=True)
    feedback = fields.String(required=True, allow_none=True)
    model = fields.String(required=True, metadata={"description": "Who answered."})
    provider = fields.String(required=True)
    updated_at = Moment(required=True)


RatingReply = enveloped(RatingShape(), "RatingReply")


def shown_rating(rating: Rating) -> dict[str, Any]:
    return {
        "prompt_id": rating.prompt_id,
        "rating": rating.rating,
        "feedback": rating.feedback,
        "model": rating.model,
        "provider": rating.provider,
        "updated_at": rfc3339(rating.at),
    }
