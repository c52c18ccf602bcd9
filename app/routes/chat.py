"""The app door's chat."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import orjson
from flask import Response, request

from app.domain.caller import Caller
from app.domain.templates import Expand
from app.middleware.caller import require_caller
from app.middleware.in_flight import InFlight
from app.middleware.request_id import request_id
from app.routes.exactly_once import ExactlyOnce
from app.routes.streaming import Writer, answer, answer_headers, client_socket, stream, wants_drain
from app.schemas import app_chat, chat_docs
from app.schemas.blueprint import Blueprint
from app.schemas.json_body import read_json
from app.services.chat.idempotency import Lead
from app.services.chat.orchestrator import ChatOrchestrator


def blueprint(chats: ChatOrchestrator, in_flight: InFlight, once: ExactlyOnce, expand: Expand) -> Blueprint:
    blp = Blueprint("chat", __name__, description="Chat as apps use it: conversations kept here.")

    @blp.route("/llm/chat", methods=["POST"])
    @blp.doc(
        summary="Say something and get the answer, whole or as Server-Sent Events",
        parameters=[chat_docs.IDEMPOTENCY_KEY],
        requestBody=chat_docs.APP_CHAT_BODY,
        responses=chat_docs.answers("The answer.", chat_docs.APP_CHAT_REPLY, streams=True),
    )
    def chat() -> Response:
        caller = require_caller()
        return once.reply(caller, partial(reply, caller), partial(words, caller))

    def words(caller: Caller, prompt_id: str) -> Writer:
        asked = app_chat.parse_chat(read_json(), caller, prompt_id, expand, drain=False)
        ref = asked.conversation
        # An id made here is not the one under which the first request's conversation was begun.
        return app_chat.EventWriter(replace(asked, conversation=None) if ref and ref.fresh else asked)

    def reply(caller: Caller, lead: Lead | None) -> Response:
        drain = wants_drain()
        asked = app_chat.parse_chat(read_json(), caller, request_id(), expand, drain=drain)
        if asked.stream:
            return stream(chats, asked, in_flight, client_socket(), app_chat.EventWriter(asked), request.path, lead)
        done = answer(chats, asked, in_flight, client_socket(), lead)
        body = orjson.dumps({"status": "success", "data": app_chat.reply(asked, done)})
        return Response(body, headers=answer_headers(done), content_type="application/json")

    return blp
