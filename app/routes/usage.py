"""What was used: by model, day, key and user."""

from __future__ import annotations

from datetime import date
from typing import Any

from flask import Response

from app.domain.errors import Forbidden, InvalidRequest
from app.middleware.caller import require_caller, users_only
from app.repositories.reports import Reports
from app.schemas.base import success
from app.schemas.blueprint import Blueprint
from app.schemas.usage import UsageQuery, UsageReply, shown_usage
from app.utils.clock import utcnow

DAYS = 30


def blueprint(reports: Reports) -> Blueprint:
    usage = Blueprint("usage", __name__, url_prefix="/api", description="What was used, and what it cost.")

    @usage.get("/usage")
    @usage.doc(
        summary="Requests, tokens, cost and percentiles of the days asked for",
        description="One's own; an admin's are everybody's, and only an admin may group by `user`. Requests "
        "that failed count; replays and refusals at admission do not.",
    )
    @users_only
    @usage.arguments(UsageQuery, location="query")
    @usage.response(200, UsageReply)
    def report(query: dict[str, Any]) -> Response:
        caller, group = require_caller(), query["group_by"]
        if group == "user" and not caller.is_admin:
            raise Forbidden("Only an admin sees the users apart.", field="group_by")
        first, last = _days(query.get("from"), query.get("to"))
        rows = reports.usage(group, first, last, None if caller.is_admin else caller.user_id)
        return success({"rows": shown_usage(group, rows)})

    return usage


def _days(first: str | None, last: str | None) -> tuple[str, str]:
    last = last or utcnow().date().isoformat()
    if first is None:
        before = date.fromisoformat(last).toordinal() - DAYS + 1
        return date.fromordinal(max(before, 1)).isoformat(), last
    if first > last:
        raise InvalidRequest("from is after to.", field="from")
    return first, last
