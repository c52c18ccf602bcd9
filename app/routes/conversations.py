"""Conversations at the app door: listed, read, renamed, taken home, deleted; and the history of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from flask import Response

from app.domain.conversation import ConversationSummary, HistoryMessage
from app.domain.files import StoredFile
from app.middleware.caller import callers_only, require_caller
from app.repositories.conversations import Conversations
from app.schemas import export
from app.schemas.base import empty, success
from app.schemas.blueprint import Blueprint
from app.schemas.conversations import (
    ConversationsQuery,
    ExportQuery,
    HistoryQuery,
    HistoryReply,
    SummaryListReply,
    SummaryReply,
    TitleBody,
    attached,
    shown_history,
    shown_summary,
)
from app.services.chat.conversations import ConversationService

PATH = "/api/conversations"
FILES = {
    "md": ("text/markdown; charset=utf-8", export.as_markdown),
    "json": ("application/json", export.as_json),
}


FilesOf = Callable[[str, Sequence[str]], Sequence[StoredFile]]
"""Those of these files that are the user's and still there: user id, file ids."""


def blueprint(conversations: Conversations, keeper: ConversationService, files_of: FilesOf) -> Blueprint:
    app_door = Blueprint("conversations", __name__, description="What was said, kept.")

    @app_door.get(PATH)
    @app_door.doc(summary="Mine, newest first")
    @callers_only
    @app_door.arguments(ConversationsQuery, location="query")
    @app_door.response(200, SummaryListReply)
    def list_mine(query: dict[str, Any]) -> Response:
        caller = require_caller()
        if caller.is_guest:
            return success({"items": [], "next_cursor": None})
        page = conversations.page(caller.user_id, **query)
        return success({"items": [shown_summary(row) for row in page.items], "next_cursor": page.next})

    @app_door.get(f"{PATH}/<public_id>")
    @app_door.doc(summary="One of mine")
    @app_door.response(200, SummaryReply)
    def show(public_id: str) -> Response:
        return success(shown_summary(conversations.get(require_caller().user_id, public_id)))

    @app_door.patch(f"{PATH}/<public_id>")
    @app_door.doc(summary="Rename one of mine")
    @callers_only
    @app_door.arguments(TitleBody)
    @app_door.response(200, SummaryReply)
    def rename(body: dict[str, Any], public_id: str) -> Response:
        renamed = keeper.rename(require_caller().user_id, public_id, body["title"])
        return success(shown_summary(renamed))

    @app_door.delete(f"{PATH}/<public_id>")
    @app_door.doc(summary="Delete one of mine for good")
    @app_door.response(204)
    def delete(public_id: str) -> Response:
        keeper.delete(require_caller().user_id, public_id)
        return empty()

    @app_door.get(f"{PATH}/<public_id>/export")
    @app_door.doc(summary="One of mine as a file")
    @callers_only
    @app_door.arguments(ExportQuery, location="query")
    @app_door.response(200, description="The file.", content_type="text/markdown")
    def export_one(query: dict[str, Any], public_id: str) -> Response:
        user_id = require_caller().user_id
        found, messages = whole(conversations, user_id, public_id)
        media, render = FILES[query["format"]]
        named = attached(messages)
        reply = Response(render(found, messages, files_of(user_id, named) if named else ()), content_type=media)
        reply.headers["Content-Disposition"] = export.disposition(found.title, query["format"])
        return reply

    @app_door.get("/llm/get-conversation-history")
    @app_door.doc(summary="What was said in one of mine, oldest first")
    @callers_only
    @app_door.arguments(HistoryQuery, location="query")
    @app_door.response(200, HistoryReply)
    def history(query: dict[str, Any]) -> Response:
        public_id = query.pop("conversation_id")
        user_id = require_caller().user_id
        found = conversations.history(user_id, public_id, **query)
        named = attached(found.messages)
        return success(shown_history(found, files_of(user_id, named) if named else ()))

    return app_door


def whole(
    conversations: Conversations, user_id: str, public_id: str
) -> tuple[ConversationSummary, list[HistoryMessage]]:
    """A conversation with all its messages, oldest first, read a thousand at a time. Raises NotFound."""
    found = conversations.history(user_id, public_id, limit=1000)
    messages = [*found.messages]
    while found.has_more:
        oldest = messages[0].message.prompt_id
        found = conversations.history(user_id, public_id, limit=1000, before=oldest)
        messages[:0] = found.messages
    return found.conversation, messages
