"""What users say of answers, at the app and the short door."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.middleware.caller import callers_only, require_caller
from app.schemas.base import json_reply, success
from app.schemas.blueprint import Blueprint
from app.schemas.ratings import RatingBody, RatingReply, RatingShape, ShortRatingBody, shown_rating
from app.services.ratings.service import RatingService


def blueprint(ratings: RatingService) -> Blueprint:
    blp = Blueprint("ratings", __name__, description="What an answer was worth to who asked.")

    def kept(body: dict[str, Any]) -> dict[str, Any]:
        said = body["rating"], body.get("feedback"), body.get("model")
        return shown_rating(ratings.rate(require_caller(), body["prompt_id"], *said))

    @blp.post("/api/ratings")
    @blp.doc(summary="Rate an answer of mine, 1 to 5; a second rating takes the first one's place")
    @callers_only
    @blp.arguments(RatingBody)
    @blp.response(200, RatingReply)
    def rate(body: dict[str, Any]) -> Response:
        return success(kept(body))

    @blp.post("/rate")
    @blp.doc(summary="The same, for scripts and curl")
    @callers_only
    @blp.arguments(ShortRatingBody)
    @blp.response(200, RatingShape)
    def rate_short(body: dict[str, Any]) -> Response:
        return json_reply(kept(body))

    return blp
