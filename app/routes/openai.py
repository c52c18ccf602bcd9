"""The OpenAI door: chat completions and models, also under /openai/v1 for the `groq` SDK."""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson
from flask import Response, request

from app.domain.caller import Caller
from app.domain.errors import NotFound
from app.middleware.caller import require_caller
from app.middleware.in_flight import InFlight
from app.middleware.request_id import request_id
from app.routes.exactly_once import ExactlyOnce
from app.routes.streaming import Writer, answer, answer_headers, client_socket, stream, wants_drain
from app.schemas import chat_docs, models, openai_chat
from app.schemas.blueprint import Blueprint
from app.schemas.json_body import read_json
from app.services.catalogue.catalogue import Catalogue
from app.services.chat.idempotency import Lead
from app.services.chat.orchestrator import ChatOrchestrator

PREFIXES = {"openai": "/v1", "openai_sdk": "/openai/v1"}


def blueprints(
    chats: ChatOrchestrator, catalogue: Catalogue, in_flight: InFlight, once: ExactlyOnce
) -> list[Blueprint]:
    """The door under each of its two addresses."""
    return [_blueprint(name, prefix, chats, catalogue, in_flight, once) for name, prefix in PREFIXES.items()]


def _blueprint(
    name: str, prefix: str, chats: ChatOrchestrator, catalogue: Catalogue, in_flight: InFlight, once: ExactlyOnce
) -> Blueprint:
    blp = Blueprint(name, __name__, url_prefix=prefix, description="What OpenAI's clients speak.")

    @blp.route("/chat/completions", methods=["POST"])
    @blp.doc(
        summary="A chat completion, whole or as Server-Sent Events",
        parameters=[chat_docs.IDEMPOTENCY_KEY],
        requestBody=chat_docs.OPENAI_CHAT_BODY,
        responses=chat_docs.answers("The completion.", chat_docs.OPENAI_CHAT_REPLY, streams=True),
    )
    def completions() -> Response:
        caller = require_caller()
        return once.reply(caller, partial(reply, caller), words)

    def words(prompt_id: str) -> Writer:
        return openai_chat.ChunkWriter(prompt_id, openai_chat.wants_usage(read_json()))

    def reply(caller: Caller, lead: Lead | None) -> Response:
        drain = wants_drain()
        body = read_json()
        asked = openai_chat.parse_chat(body, caller, request_id(), drain=drain)
        include_usage = openai_chat.wants_usage(body)
        if asked.stream:
            writer = openai_chat.ChunkWriter(asked.prompt_id, include_usage)
            return stream(chats, asked, in_flight, client_socket(), writer, request.path, lead)
        done = answer(chats, asked, in_flight, client_socket(), lead)
        body_out = openai_chat.completion(asked.prompt_id, done)
        return Response(body_out, headers=answer_headers(done), content_type="application/json")

    @blp.route("/models", methods=["GET"])
    @blp.doc(
        summary="The aliases and models that can answer",
        responses=chat_docs.answers("The list.", chat_docs.OPENAI_MODELS),
    )
    def list_models() -> Response:
        require_caller()
        return _json(models.openai_list(catalogue.snapshot()))

    @blp.route("/models/<path:model_id>", methods=["GET"])
    @blp.doc(summary="One model", responses=chat_docs.answers("The model.", chat_docs.OPENAI_MODEL))
    def one_model(model_id: str) -> Response:
        require_caller()
        found = models.openai_one(catalogue.snapshot(), model_id)
        if found is None:
            raise NotFound(f"there is no model {model_id!r}", field="model")
        return _json(found)

    return blp


def _json(value: dict[str, Any]) -> Response:
    return Response(orjson.dumps(value), content_type="application/json")
