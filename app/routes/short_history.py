"""Sessions and their history at the short door. A session is a conversation under the caller's own name for it."""

from __future__ import annotations

from flask import Response

from app.domain.conversation import ConversationSummary
from app.domain.errors import NotFound
from app.middleware.caller import require_caller
from app.repositories.conversations import Conversations
from app.routes.conversations import whole
from app.schemas.base import json_reply
from app.schemas.blueprint import Blueprint
from app.schemas.conversations import (
    SessionHistorySchema,
    SessionsSchema,
    shown_exchanges,
    shown_session,
)

PAGE = 1000


def blueprint(conversations: Conversations) -> Blueprint:
    short = Blueprint("short_history", __name__, description="Sessions, for scripts and curl.")

    @short.get("/sessions")
    @short.doc(summary="My sessions, newest first")
    @short.response(200, SessionsSchema)
    def sessions() -> Response:
        caller = require_caller()
        found = [] if caller.is_guest else _all(conversations, caller.user_id)
        return json_reply({"sessions": [shown_session(row) for row in found]})

    @short.get("/history/<session_id>")
    @short.doc(summary="What was said in a session, newest last")
    @short.response(200, SessionHistorySchema)
    def history(session_id: str) -> Response:
        try:
            found, messages = whole(conversations, require_caller().user_id, session_id)
        except NotFound as fault:
            fault.field = "session_id"
            raise
        return json_reply({"session_id": found.id, "history": shown_exchanges(messages)})

    return short


def _all(conversations: Conversations, user_id: str) -> list[ConversationSummary]:
    page = conversations.page(user_id, limit=PAGE)
    found = [*page.items]
    while page.next is not None:
        page = conversations.page(user_id, limit=PAGE, cursor=page.next)
        found += page.items
    return found
