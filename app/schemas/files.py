"""Files as the short and the OpenAI door show them, and as they are handed out."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from marshmallow import fields

from app.domain.files import MOST_FILES, PURPOSES, StoredFile
from app.schemas.base import Choice, Moment, QueryWhole, Schema, Text
from app.utils.clock import rfc3339

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_MOST_ASCII: Final = 100


class Span(NamedTuple):
    """A part of a file."""

    start: int
    length: int


class FileSchema(Schema):
    id = fields.String(required=True)
    filename = fields.String(required=True)
    bytes = fields.Integer(required=True)
    content_type = fields.String(required=True)
    created_at = Moment(required=True)


class FilesSchema(Schema):
    files = fields.List(fields.Nested(FileSchema), required=True)


class UploadedSchema(Schema):
    """One that was sent among others: it, or why it is not kept."""

    id = fields.String()
    filename = fields.String(required=True)
    bytes = fields.Integer()
    content_type = fields.String()
    created_at = Moment()
    error = fields.Dict(metadata={"description": "`code`, `message` and `details`, in its place."})


class UploadSchema(Schema):
    id = fields.String(metadata={"description": "Of a file that was sent alone, as the four after it."})
    filename = fields.String()
    bytes = fields.Integer()
    content_type = fields.String()
    created_at = Moment()
    files = fields.List(fields.Nested(UploadedSchema), metadata={"description": "Of several, and then nothing else."})


class PreviewSchema(Schema):
    content_type = fields.String(required=True)
    text = fields.String(required=True, metadata={"description": "Its beginning; empty for what has no text."})


class OpenAIFileSchema(Schema):
    id = fields.String(required=True)
    object = fields.String(required=True, metadata={"const": "file"})
    bytes = fields.Integer(required=True)
    created_at = fields.Integer(required=True)
    filename = fields.String(required=True)
    purpose = fields.String(required=True)
    status = fields.String(required=True, metadata={"const": "processed"})


class OpenAIFilesSchema(Schema):
    object = fields.String(required=True, metadata={"const": "list"})
    data = fields.List(fields.Nested(OpenAIFileSchema), required=True)
    first_id = fields.String(required=True, allow_none=True)
    last_id = fields.String(required=True, allow_none=True)
    has_more = fields.Boolean(required=True)


class OpenAIDeletedSchema(Schema):
    id = fields.String(required=True)
    object = fields.String(required=True, metadata={"const": "file"})
    deleted = fields.Boolean(required=True)


class OpenAIFilesQuery(Schema):
    purpose = Text(most=64)
    limit = QueryWhole(least=1, most=MOST_FILES, load_default=MOST_FILES)
    order = Choice("asc", "desc", load_default="desc")
    after = Text(most=64, metadata={"description": "The id of the last file of the page before."})


def form(file_field: dict[str, Any], **others: Any) -> dict[str, Any]:
    """The request body of an upload in the document."""
    properties = {"file": file_field, **others}
    schema = {"type": "object", "required": list(properties), "properties": properties}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}


ONE_FILE: Final = {"type": "string", "contentMediaType": "application/octet-stream"}
PURPOSE: Final = {"type": "string", "enum": list(PURPOSES)}


def shown_file(file: StoredFile) -> dict[str, Any]:
    """At the short door."""
    return {
        "id": file.id,
        "filename": file.name,
        "bytes": file.bytes,
        "content_type": file.content_type,
        "created_at": rfc3339(file.created_at),
    }


def openai_file(file: StoredFile) -> dict[str, Any]:
    """At the OpenAI door."""
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": int(file.created_at.timestamp()),
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
    }


def openai_files(files: tuple[StoredFile, ...], more: bool) -> dict[str, Any]:
    return {
        "object": "list",
        "data": [openai_file(file) for file in files],
        "first_id": files[0].id if files else None,
        "last_id": files[-1].id if files else None,
        "has_more": more,
    }


def wanted_span(header: str | None, size: int) -> Span | None:
    """The part that a Range header asks for; None for the whole file: without one, for several parts at once, and for
    what no file of this size has (RFC 9110, section 14.2, lets a server ignore what it will)."""
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    return Span(start, end - start) if start < end else None


def download_headers(file: StoredFile) -> dict[str, str]:
    """What keeps a file of somebody's from being anything but a file: it is saved, never shown, never run."""
    charset = "; charset=utf-8" if file.content_type.startswith("text/") else ""
    return {
        "Content-Type": file.content_type + charset,
        "Content-Disposition": attachment(file.name),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Accept-Ranges": "bytes",
        "ETag": f'"{file.id}"',
    }


def attachment(name: str) -> str:
    """`Content-Disposition` with the name in ASCII and in full (RFC 6266)."""
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    plain = _ascii(stem)[:_MOST_ASCII].strip("-") or "file"
    return f"attachment; filename=\"{plain}{dot}{_ascii(ending)}\"; filename*=UTF-8''{quote(name, safe='')}"


def _ascii(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)
