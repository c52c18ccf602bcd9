"""What one request came to."""

from __future__ import annotations

from flask import Response

from app.domain.errors import NotFound
from app.middleware.caller import require_caller
from app.repositories.requests import Requests
from app.schemas.base import success
from app.schemas.blueprint import Blueprint
from app.schemas.receipts import ReceiptReply, shown_receipt


def blueprint(requests: Requests) -> Blueprint:
    app_door = Blueprint("receipts", __name__, description="What a request came to.")

    @app_door.get("/api/requests/<prompt_id>")
    @app_door.doc(summary="A request's receipt: what was tried, what it cost")
    @app_door.response(200, ReceiptReply)
    def receipt(prompt_id: str) -> Response:
        found = requests.receipt(require_caller().user_id, prompt_id)
        if found is None:
            raise NotFound("There is no such request.", field="prompt_id")
        return success(shown_receipt(found))

    return app_door
