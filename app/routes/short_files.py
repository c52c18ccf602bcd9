"""Files at the short door: sent, listed, looked into, deleted."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from app.domain.caller import Caller
from app.domain.errors import DomainError, InvalidRequest
from app.domain.files import MOST_FILES
from app.middleware.caller import require_caller, require_user, users_only
from app.middleware.errors import error_object
from app.middleware.uploads import FormFile, FormLimits, read_form
from app.schemas.base import empty, json_reply
from app.schemas.blueprint import Blueprint
from app.schemas.files import ONE_FILE, FilesSchema, PreviewSchema, UploadSchema, form, shown_file
from app.services.files.service import FileService

MOST_AT_ONCE = 20
_FILES = {"oneOf": [ONE_FILE, {"type": "array", "items": ONE_FILE, "maxItems": MOST_AT_ONCE}]}


def blueprint(files: FileService, max_file_bytes: int) -> Blueprint:
    short = Blueprint("short_files", __name__, description="Files, for scripts and curl.")
    limits = FormLimits(max_file_bytes, MOST_AT_ONCE, fields=frozenset())

    @short.post("/files/upload")
    @short.doc(summary="Keep a file, or up to 20 of them", requestBody=form(_FILES))
    @short.response(
        201, UploadSchema, description="The file; of several `files`, each as this or with its own `error`."
    )
    @users_only
    def upload() -> Response:
        caller = require_user()
        files.expect(caller, 1)
        with read_form(limits) as sent:
            if not sent.files:
                raise InvalidRequest("Send a file.", field="file")
            if len(sent.files) == 1:
                return json_reply(_kept(caller, sent.files[0]), 201)
            return json_reply({"files": [_kept_or_not(caller, one) for one in sent.files]}, 201)

    def _kept(caller: Caller, one: FormFile) -> dict[str, Any]:
        return shown_file(files.keep(caller, one.name, one.content))

    def _kept_or_not(caller: Caller, one: FormFile) -> dict[str, Any]:
        try:
            return _kept(caller, one)
        except DomainError as error:
            return {"filename": one.name, **_error(error)}

    @short.get("/files/list")
    @short.doc(summary="My files, newest first")
    @short.response(200, FilesSchema)
    def index() -> Response:
        found, _ = files.page(require_caller(), limit=MOST_FILES)
        return json_reply({"files": [shown_file(file) for file in found]})

    @short.get("/files/<filename>/preview")
    @short.doc(summary="The beginning of a file's text, by its name or id")
    @short.response(200, PreviewSchema)
    def preview(filename: str) -> Response:
        file, text = files.preview(require_caller(), filename)
        return json_reply({"content_type": file.content_type, "text": text})

    @short.delete("/files/<filename>")
    @short.doc(summary="Delete a file by its name or id; 409 where two bear the name")
    @short.response(204)
    @users_only
    def delete(filename: str) -> Response:
        files.delete(require_user(), filename)
        return empty()

    return short


def _error(error: DomainError) -> dict[str, Any]:
    return {"error": error_object(error, request.path)["error"]}
