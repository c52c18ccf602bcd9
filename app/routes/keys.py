"""The caller's own API keys."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.domain.accounts import ApiKey, NewKey
from app.middleware.caller import require_caller, users_only
from app.repositories.spending import Spending
from app.schemas.accounts import KeyPage, NewKeyBody, NewKeyReply, shown_key
from app.schemas.base import ListQuery, decode_cursor, empty, encode_cursor, success
from app.schemas.blueprint import Blueprint
from app.services.accounts.keys import KeyService
from app.utils.clock import utcnow


def blueprint(keys: KeyService, spending: Spending) -> Blueprint:
    blp = Blueprint("keys", __name__, url_prefix="/api", description="API keys: shown once, kept as a hash.")

    @blp.get("/keys")
    @blp.doc(summary="The caller's keys, newest first")
    @users_only
    @blp.arguments(ListQuery, location="query")
    @blp.response(200, KeyPage)
    def index(query: dict[str, Any]) -> Response:
        before = decode_cursor(query["cursor"], 1)[0] if "cursor" in query else None
        found = keys.page(require_caller(), query["limit"] + 1, before)
        page = found[: query["limit"]]
        cursor = encode_cursor(page[-1].id) if len(found) > len(page) else None
        return success({"items": [_shown(key, spending) for key in page], "next_cursor": cursor})

    @blp.post("/keys")
    @blp.doc(summary="Make a key; it is shown this once")
    @users_only
    @blp.arguments(NewKeyBody)
    @blp.response(201, NewKeyReply)
    def create(wish: NewKey) -> Response:
        key, secret = keys.create_own(require_caller(), wish)
        return success(_shown(key, spending) | {"key": secret}, 201, {"Cache-Control": "no-store"})

    @blp.delete("/keys/<key_id>")
    @blp.doc(summary="Revoke a key: refused everywhere within a second")
    @blp.response(204)
    @users_only
    def revoke(key_id: str) -> Response:
        keys.revoke(require_caller(), key_id)
        return empty()

    return blp


def _shown(key: ApiKey, spending: Spending) -> dict[str, Any]:
    spent = spending.of_key(key.id, key.budget, utcnow()) if key.budget else None
    return shown_key(key, spent)
