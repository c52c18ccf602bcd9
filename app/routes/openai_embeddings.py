"""Vectors at the OpenAI door."""

from __future__ import annotations

from functools import partial

import orjson
from flask import Response

from app.domain.caller import Caller
from app.middleware.caller import require_caller
from app.middleware.in_flight import InFlight
from app.middleware.request_id import request_id
from app.routes.exactly_once import ExactlyOnce
from app.routes.openai import PREFIXES
from app.routes.streaming import answer, answer_headers, client_socket, wants_drain
from app.schemas import chat_docs, openai_embeddings
from app.schemas.blueprint import Blueprint
from app.schemas.json_body import read_json
from app.schemas.openai_embeddings import Decode
from app.services.chat.idempotency import Lead
from app.services.chat.orchestrator import ChatOrchestrator


def blueprints(chats: ChatOrchestrator, in_flight: InFlight, once: ExactlyOnce, decode: Decode) -> list[Blueprint]:
    """The route under each of the door's two addresses. decode: tokens that a client sends instead of a text."""
    return [
        _blueprint(f"{name}_embeddings", prefix, chats, in_flight, once, decode) for name, prefix in PREFIXES.items()
    ]


def _blueprint(
    name: str, prefix: str, chats: ChatOrchestrator, in_flight: InFlight, once: ExactlyOnce, decode: Decode
) -> Blueprint:
    blp = Blueprint(name, __name__, url_prefix=prefix, description="Texts as vectors.")

    @blp.route("/embeddings", methods=["POST"])
    @blp.doc(
        summary="Texts as vectors, by the embedded model or a provider's",
        parameters=[chat_docs.IDEMPOTENCY_KEY],
        requestBody=chat_docs.EMBEDDINGS_BODY,
        responses=chat_docs.answers("The vectors.", chat_docs.EMBEDDINGS_REPLY),
    )
    def embeddings() -> Response:
        caller = require_caller()
        return once.reply(caller, partial(reply, caller))

    def reply(caller: Caller, lead: Lead | None) -> Response:
        asked = openai_embeddings.parse(read_json(), caller, request_id(), decode, drain=wants_drain())
        done = answer(chats, asked, in_flight, client_socket(), lead)
        body = orjson.dumps(openai_embeddings.reply(asked, done))
        return Response(body, headers=answer_headers(done), content_type="application/json")

    return blp
