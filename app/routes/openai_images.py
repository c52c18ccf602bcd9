"""Pictures at the OpenAI door."""

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
from app.schemas import chat_docs, openai_images
from app.schemas.blueprint import Blueprint
from app.schemas.json_body import read_json
from app.services.chat.idempotency import Lead
from app.services.chat.orchestrator import ChatOrchestrator


def blueprints(chats: ChatOrchestrator, in_flight: InFlight, once: ExactlyOnce) -> list[Blueprint]:
    """The route under each of the door's two addresses."""
    return [_blueprint(f"{name}_images", prefix, chats, in_flight, once) for name, prefix in PREFIXES.items()]


def _blueprint(name: str, prefix: str, chats: ChatOrchestrator, in_flight: InFlight, once: ExactlyOnce) -> Blueprint:
    blp = Blueprint(name, __name__, url_prefix=prefix, description="Pictures as OpenAI's clients ask for them.")

    @blp.route("/images/generations", methods=["POST"])
    @blp.doc(
        summary="Draw pictures of a prompt",
        parameters=[chat_docs.IDEMPOTENCY_KEY],
        requestBody=chat_docs.IMAGES_BODY,
        responses=chat_docs.answers("The pictures.", chat_docs.IMAGES_REPLY),
    )
    def generations() -> Response:
        caller = require_caller()
        return once.reply(caller, partial(reply, caller))

    def reply(caller: Caller, lead: Lead | None) -> Response:
        asked = openai_images.parse(read_json(), caller, request_id(), drain=wants_drain())
        done = answer(chats, asked, in_flight, client_socket(), lead)
        body = orjson.dumps(openai_images.reply(done))
        return Response(body, headers=answer_headers(done), content_type="application/json")

    return blp
