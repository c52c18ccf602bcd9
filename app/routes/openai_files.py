"""Files at the OpenAI door, and what is in them."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from app.domain.errors import InvalidRequest
from app.domain.files import PURPOSES, StoredFile
from app.middleware.caller import callers_only, require_caller, require_user, users_only
from app.middleware.uploads import Form, FormLimits, read_form
from app.routes.openai import PREFIXES
from app.schemas.base import json_reply
from app.schemas.blueprint import Blueprint
from app.schemas.files import (
    ONE_FILE,
    PURPOSE,
    OpenAIDeletedSchema,
    OpenAIFileSchema,
    OpenAIFilesQuery,
    OpenAIFilesSchema,
    download_headers,
    form,
    openai_file,
    openai_files,
    wanted_span,
)
from app.services.files.service import FileService

_FRAME = 64 * 1024
"""Of a form's length what may be headers, boundaries and fields."""


def blueprints(files: FileService, max_file_bytes: int) -> list[Blueprint]:
    """The routes under each of the door's two addresses."""
    return [_blueprint(f"{name}_files", prefix, files, max_file_bytes) for name, prefix in PREFIXES.items()]


def _blueprint(name: str, prefix: str, files: FileService, max_file_bytes: int) -> Blueprint:
    blp = Blueprint(name, __name__, url_prefix=prefix, description="Files as OpenAI's clients know them.")
    limits = FormLimits(max_file_bytes, fields=frozenset({"purpose"}))

    @blp.post("/files")
    @blp.doc(summary="Keep a file", requestBody=form(ONE_FILE, purpose=PURPOSE))
    @blp.response(200, OpenAIFileSchema)
    @users_only
    def create() -> Response:
        caller = require_user()
        files.expect(caller, max(1, (request.content_length or 0) - _FRAME))
        with read_form(limits) as sent:
            purpose = _purpose(sent)
            if not sent.files:
                raise InvalidRequest("Send a file.", field="file")
            one = sent.files[0]
            return json_reply(openai_file(files.keep(caller, one.name, one.content, purpose=purpose)))

    @blp.get("/files")
    @blp.doc(summary="My files, newest first")
    @callers_only
    @blp.arguments(OpenAIFilesQuery, location="query")
    @blp.response(200, OpenAIFilesSchema)
    def index(query: dict[str, Any]) -> Response:
        oldest_first = query.pop("order") == "asc"
        found, more = files.page(require_caller(), **query, oldest_first=oldest_first)
        return json_reply(openai_files(found, more))

    @blp.get("/files/<file_id>")
    @blp.doc(summary="One of mine")
    @blp.response(200, OpenAIFileSchema)
    def show(file_id: str) -> Response:
        return json_reply(openai_file(files.get(require_caller().user_id, file_id)))

    @blp.get("/files/<file_id>/content")
    @blp.doc(summary="What is in it, to be saved; one Range is served")
    @blp.response(200, description="The bytes.", content_type="application/octet-stream")
    @blp.alt_response(206, description="The part that `Range` asks for.", content_type="application/octet-stream")
    def content(file_id: str) -> Response:
        return _download(files, require_caller().user_id, file_id)

    @blp.delete("/files/<file_id>")
    @blp.doc(summary="Delete one of mine")
    @blp.response(200, OpenAIDeletedSchema)
    @users_only
    def delete(file_id: str) -> Response:
        gone = files.delete(require_user(), file_id, by_name=False)
        return json_reply({"id": gone.id, "object": "file", "deleted": True})

    return blp


def _purpose(sent: Form) -> str:
    purpose = sent.fields.get("purpose")
    if purpose not in PURPOSES:
        raise InvalidRequest(f"The purpose is one of {', '.join(PURPOSES)}.", field="purpose")
    return purpose


def _download(files: FileService, user_id: str, file_id: str) -> Response:
    file = files.get(user_id, file_id)
    span = wanted_span(request.headers.get("Range"), file.bytes) if _is_same(file) else None
    start, length = span or (0, file.bytes)
    headers = download_headers(file) | {"Content-Length": str(length)}
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{file.bytes}"
    pieces = () if request.method == "HEAD" else files.open(user_id, file_id, start, length)[1]
    return Response(pieces, 200 if span is None else 206, headers, direct_passthrough=True)


def _is_same(file: StoredFile) -> bool:
    """Whether a part of it goes together with the part that the caller has (If-Range)."""
    return request.headers.get("If-Range", f'"{file.id}"') == f'"{file.id}"'
