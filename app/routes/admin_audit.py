"""What admins did."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.middleware.caller import admins_only
from app.repositories.audit import Audit
from app.schemas.admin import AuditPage, shown_act
from app.schemas.base import ListQuery, paged, place
from app.schemas.blueprint import Blueprint


def blueprint(audit: Audit) -> Blueprint:
    blp = Blueprint("admin_audit", __name__, url_prefix="/api/admin", description="What admins did.")

    @blp.get("/audit")
    @blp.doc(summary="Every act of an admin, newest first: who, what, on whom, before and after")
    @admins_only
    @blp.arguments(ListQuery, location="query")
    @blp.response(200, AuditPage)
    def acts(query: dict[str, Any]) -> Response:
        return paged(audit.page(query["limit"] + 1, place(query)), query, lambda act: act.id, shown_act)

    return blp
