"""The short door's chat and its list of models."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import orjson
from flask import Response, request

from app.domain.caller import Caller
from app.domain.templates import Expand
from app.middleware.caller import require_caller
from app.middleware.in_flight import InFlight
from app.middleware.request_id import request_id
from app.routes.exactly_once import ExactlyOnce
from app.routes.streaming import answer, answer_headers, client_socket, wants_drain
from app.schemas import chat_docs, models, short_chat
from app.schemas.blueprint import Blueprint
from app.schemas.json_body import read_json
from app.services.catalogue.catalogue import Catalogue
from app.services.chat.idempotency import Lead
from app.services.chat.orchestrator import ChatOrchestrator
from app.services.ratings.service import AverageRatings


def blueprint(
    chats: ChatOrchestrator,
    catalogue: Catalogue,
    in_flight: InFlight,
    once: ExactlyOnce,
    expand: Expand,
    averages: Callable[[], AverageRatings],
) -> Blueprint:
    """averages: everybody's ratings by model."""
    blp = Blueprint("short_chat", __name__, description="Chat for scripts and curl: no envelope.")

    @blp.route("/chat", methods=["POST"])
    @blp.doc(
        summary="Say something and get the answer",
        parameters=[
            chat_docs.IDEMPOTENCY_KEY,
            {"name": "model", "in": "query", "schema": chat_docs.STRING},
            {"name": "ignore_cache", "in": "query", "schema": chat_docs.BOOLEAN},
        ],
        requestBody=chat_docs.SHORT_CHAT_BODY,
        responses=chat_docs.answers("The answer.", chat_docs.SHORT_CHAT_REPLY),
    )
    def chat() -> Response:
        caller = require_caller()
        return once.reply(caller, partial(reply, caller))

    def reply(caller: Caller, lead: Lead | None) -> Response:
        query, drain = request.args.to_dict(), wants_drain()
        asked = short_chat.parse_chat(read_json(), query, caller, request_id(), expand, draws, drain=drain)
        done = answer(chats, asked, in_flight, client_socket(), lead)
        body = orjson.dumps(short_chat.reply(asked, done))
        return Response(body, headers=answer_headers(done), content_type="application/json")

    def draws(name: str) -> bool:
        return catalogue.snapshot().draws(name)

    @blp.route("/models", methods=["GET"])
    @blp.doc(
        summary="Every model of the catalogue, and why one cannot answer now",
        responses=chat_docs.answers("The models.", chat_docs.SHORT_MODELS),
    )
    def list_models() -> Response:
        require_caller()
        body = orjson.dumps(models.short_list(catalogue.snapshot(), averages()))
        return Response(body, content_type="application/json")

    return blp
