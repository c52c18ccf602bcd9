"""The app door's chat."""

from __future__ import annotations

import orjson
from flask import Response, request

from app.middleware.caller import require_caller
from app.middleware.in_flight import InFlight
from app.middleware.request_id import request_id
from app.routes.streaming import answer, answer_headers, client_socket, stream, wants_drain
from app.schemas import app_chat, chat_docs
from app.schemas.blueprint import Blueprint
from app.schemas.json_body import read_json
from app.services.chat.orchestrator import ChatOrchestrator


def blueprint(chats: ChatOrchestrator, in_flight: InFlight) -> Blueprint:
    blp = Blueprint("chat", __name__, description="Chat as apps use it: conversations kept here.")

    @blp.route("/llm/chat", methods=["POST"])
    @blp.doc(
        summary="Say something and get the answer, whole or as Server-Sent Events",
        requestBody=chat_docs.APP_CHAT_BODY,
        responses=chat_docs.answers("The answer.", chat_docs.APP_CHAT_REPLY, streams=True),
    )
    def chat() -> Response:
        caller = require_caller()
        drain = wants_drain()
        asked = app_chat.parse_chat(read_json(), caller, request_id(), drain=drain)
        if asked.stream:
            return stream(chats, asked, in_flight, client_socket(), app_chat.EventWriter(asked), request.path)
        done = answer(chats, asked, in_flight, client_socket())
        body = orjson.dumps({"status": "success", "data": app_chat.reply(asked, done)})
        return Response(body, headers=answer_headers(done), content_type="application/json")

    return blp
