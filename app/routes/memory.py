"""What is remembered of the caller: seen and forgotten."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.middleware.caller import callers_only, require_caller
from app.schemas.base import empty, encode_cursor, place, success
from app.schemas.blueprint import Blueprint
from app.schemas.memory import MemoryListReply, MemoryQuery, shown_memory
from app.services.memory.service import MemoryService


def blueprint(memory: MemoryService) -> Blueprint:
    blp = Blueprint("memory", __name__, description="What is remembered of me, and how it is forgotten.")

    @blp.get("/api/memory")
    @blp.doc(summary="What is remembered of me, newest first")
    @callers_only
    @blp.arguments(MemoryQuery, location="query")
    @blp.response(200, MemoryListReply)
    def list_mine(query: dict[str, Any]) -> Response:
        caller = require_caller()
        if caller.is_guest:
            return success({"items": [], "next_cursor": None})
        page = memory.page(caller.user_id, limit=query["limit"], cursor=place(query), q=query.get("q"))
        cursor = None if page.next is None else encode_cursor(page.next)
        return success({"items": [shown_memory(row) for row in page.items], "next_cursor": cursor})

    @blp.delete("/api/memory")
    @blp.doc(summary="Forget all of it; the conversations stay")
    @blp.response(204)
    def forget_all() -> Response:
        caller = require_caller()
        if not caller.is_guest:
            memory.forget_all(caller.user_id)
        return empty()

    @blp.delete("/api/memory/<memory_id>")
    @blp.doc(summary="Forget one exchange; its conversation stays")
    @blp.response(204)
    def forget(memory_id: str) -> Response:
        memory.forget(require_caller().user_id, memory_id)
        return empty()

    return blp
