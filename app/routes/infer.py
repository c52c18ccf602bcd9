"""The short door's question about a picture or a video."""

from __future__ import annotations

from functools import partial
from io import BytesIO

import orjson
from flask import Response, request

from app.domain.caller import Caller
from app.domain.chat import FilePart
from app.middleware.caller import require_caller
from app.middleware.in_flight import InFlight
from app.middleware.request_id import request_id
from app.middleware.uploads import Form, FormLimits, read_form
from app.routes.exactly_once import ExactlyOnce
from app.routes.streaming import answer, answer_headers, client_socket, wants_drain
from app.schemas import chat_docs, infer, short_chat
from app.schemas.blueprint import Blueprint
from app.services.chat.idempotency import Lead
from app.services.chat.orchestrator import ChatOrchestrator
from app.utils.content_type import type_of


def blueprint(chats: ChatOrchestrator, in_flight: InFlight, once: ExactlyOnce, max_file_bytes: int) -> Blueprint:
    blp = Blueprint("infer", __name__, description="A question about a picture or a video, for scripts and curl.")
    limits = FormLimits(max_file_bytes, file_fields=frozenset({infer.FILE}), fields=infer.FIELDS)

    @blp.route("/infer", methods=["POST"])
    @blp.doc(
        summary="Ask about an image or a video",
        parameters=[chat_docs.IDEMPOTENCY_KEY],
        requestBody=infer.BODY,
        responses=infer.REPLY,
    )
    def ask() -> Response:
        caller = require_caller()
        with read_form(limits) as form:
            as_json = infer.wants_json(request.headers.get("Accept", ""))
            sent = form.files[0].content.sha256 if form.files else None
            # The form is read: what stands for it from here on is what tells equal requests apart.
            request.environ["wsgi.input"] = BytesIO(infer.sameness(form.fields, sent, as_json=as_json))
            return once.reply(caller, partial(reply, caller, form, as_json))

    def reply(caller: Caller, form: Form, as_json: bool, lead: Lead | None) -> Response:
        file = _looked_at(form)
        asked = infer.parse_form(form.fields, file, caller, request_id(), drain=wants_drain())
        done = answer(chats, asked, in_flight, client_socket(), lead)
        if as_json:
            body = orjson.dumps(short_chat.reply(asked, done))
            return Response(body, headers=answer_headers(done), content_type="application/json")
        return Response(done.answers[0].text, headers=answer_headers(done), content_type="text/plain; charset=utf-8")

    return blp


def _looked_at(form: Form) -> FilePart | None:
    if not form.files:
        return None
    file = form.files[0]
    kind = type_of(file.content.path, file.name) if file.content.bytes else None
    return infer.file_part(file.content.path, file.content.bytes, file.name, kind)
