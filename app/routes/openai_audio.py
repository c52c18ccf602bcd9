"""Recordings at the OpenAI door."""

from __future__ import annotations

from functools import partial
from io import BytesIO

from flask import Response, request

from app.domain.caller import Caller
from app.domain.chat import FilePart
from app.domain.errors import InvalidRequest
from app.domain.policies.sound import HEAD
from app.middleware.caller import require_caller
from app.middleware.in_flight import InFlight
from app.middleware.request_id import request_id
from app.middleware.uploads import Form, FormLimits, read_form
from app.routes.exactly_once import ExactlyOnce
from app.routes.openai import PREFIXES
from app.routes.streaming import answer, answer_headers, client_socket, wants_drain
from app.schemas import chat_docs, transcripts
from app.schemas.blueprint import Blueprint
from app.services.chat.idempotency import Lead
from app.services.chat.orchestrator import ChatOrchestrator
from app.utils.content_type import type_of

LARGEST = 25 * 2**20
"""Bytes of a recording: what providers take."""


def blueprints(chats: ChatOrchestrator, in_flight: InFlight, once: ExactlyOnce, max_file_bytes: int) -> list[Blueprint]:
    """The route under each of the door's two addresses."""
    limits = FormLimits(min(LARGEST, max_file_bytes))
    return [_blueprint(f"{name}_audio", prefix, chats, in_flight, once, limits) for name, prefix in PREFIXES.items()]


def _blueprint(
    name: str, prefix: str, chats: ChatOrchestrator, in_flight: InFlight, once: ExactlyOnce, limits: FormLimits
) -> Blueprint:
    blp = Blueprint(name, __name__, url_prefix=prefix, description="Recordings as OpenAI's clients send them.")

    @blp.route("/audio/transcriptions", methods=["POST"])
    @blp.doc(
        summary="What is said in a recording",
        parameters=[chat_docs.IDEMPOTENCY_KEY],
        requestBody=transcripts.BODY,
        responses=transcripts.REPLY,
    )
    def transcriptions() -> Response:
        caller = require_caller()
        with read_form(limits) as form:
            file = _recording(form)
            same = transcripts.sameness(form.fields, form.lists, form.files[0].content.sha256)
            # The form is read: what stands for it from here on is what tells equal requests apart.
            request.environ["wsgi.input"] = BytesIO(same)
            return once.reply(caller, partial(reply, caller, form, file))

    def reply(caller: Caller, form: Form, file: FilePart, lead: Lead | None) -> Response:
        asked = transcripts.parse(form.fields, form.lists, file, caller, request_id(), drain=wants_drain())
        done = answer(chats, asked, in_flight, client_socket(), lead)
        body, content_type = transcripts.reply(done, transcripts.format_of(form.fields))
        return Response(body, headers=answer_headers(done), content_type=content_type)

    return blp


def _recording(form: Form) -> FilePart:
    if not form.files:
        raise InvalidRequest("Send a file.", field="file")
    file = form.files[0]
    size = file.content.bytes
    kind = type_of(file.content.path, file.name) if size else None
    with file.content.path.open("rb") as opened:
        head = opened.read(HEAD)
    return transcripts.recording(file.content.path, size, file.name, kind, head)
