"""The caller's numbers at the short door, an admin's everybody's."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict

from flask import Response

from app.middleware.caller import require_caller, users_only
from app.repositories.ratings import Ratings
from app.repositories.reports import Reports
from app.schemas.base import json_reply
from app.schemas.blueprint import Blueprint
from app.schemas.usage import StatsShape, shown_stats
from app.services.chat.health import KeyFacts


def blueprint(
    reports: Reports,
    ratings: Ratings,
    key_facts: Callable[[], Iterable[KeyFacts]],
    kept_answers: Callable[[str | None], int],
) -> Blueprint:
    """key_facts: what is known of every provider's key, masked.
    kept_answers: of a user, or of everybody, in the cache.
    """
    short = Blueprint("stats", __name__, description="Numbers, for scripts and curl.")

    @short.get("/stats")
    @short.doc(summary="My numbers since the beginning; an admin's are everybody's")
    @short.response(200, StatsShape)
    @users_only
    def stats() -> Response:
        caller = require_caller()
        whose = None if caller.is_admin else caller.user_id
        shown = shown_stats(reports.totals(whose), ratings.totals(whose), kept_answers(whose))
        if caller.is_admin:
            shown["api_key_stats"] = [asdict(facts) for facts in key_facts()]
        return json_reply(shown)

    return short
