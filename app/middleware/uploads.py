"""Forms with files, read as they come: fields into memory, files into files of their own.

    with read_form(limits) as form:
        form.fields["prompt"], form.files[0].content.path

However the block ends, what was spooled is gone afterwards, unless somebody moved it (`FileService.keep`).
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from flask import current_app, request

from app.domain.errors import InvalidRequest, TooLarge, Unavailable, UnsupportedMedia
from app.middleware.multipart import MultipartReader, Part, Piece
from app.middleware.upload_body import ENVIRON_KEY, FORM, UploadBody
from app.utils.spooled import SpooledFile, SpoolFolder

if TYPE_CHECKING:
    from flask import Flask

log = logging.getLogger(__name__)

MOST_FIELD: Final = 512 * 1024
"""Bytes of a field that is no file."""
MOST_PARTS: Final = 100
_FRAME: Final = 1024 * 1024
"""What headers and boundaries of a form may take beside its parts."""
_EXTENSION = "onedoor.spool"


@dataclass(frozen=True, slots=True)
class FormLimits:
    """What a form may hold. Sizes in bytes.

    file_bytes: of one file. files: how many of them together. file_fields: the only fields that may be files.
    fields: the only others; None for any. field_bytes: of each, and of all of them four times that.
    """

    file_bytes: int
    files: int = 1
    file_fields: frozenset[str] = frozenset({"file"})
    fields: frozenset[str] | None = None
    field_bytes: int = MOST_FIELD


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file of a form. name: as its sender gave it, never to be trusted. content: finished; closed with the form."""

    field: str
    name: str
    content: SpooledFile


@dataclass(slots=True)
class Form:
    """fields: the text of each. lists: of those whose name ends in `[]` and may come more than once."""

    fields: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    files: list[FormFile] = field(default_factory=list)


def register(app: Flask, spool: SpoolFolder) -> None:
    """Where the files of forms pass through."""
    app.extensions[_EXTENSION] = spool


@contextmanager
def read_form(limits: FormLimits) -> Iterator[Form]:
    """The present request's form. Ask who calls before: nothing of the body has been read by then.

    Raises UnsupportedMedia for what is no form, InvalidRequest for one that cannot be read or breaks off, TooLarge
    past a limit, RequestTimeout, Unavailable for a full disk. Each names the field.
    """
    body = request.environ.get(ENVIRON_KEY)
    if request.mimetype != FORM:
        raise UnsupportedMedia(f"Send a form: Content-Type: {FORM}.", field="Content-Type")
    if body is None:
        raise InvalidRequest("The form is empty.", field="body")
    with ExitStack() as spooled:
        reader = _FormReader(limits, cast(SpoolFolder, current_app.extensions[_EXTENSION]), spooled)
        yield reader.read(cast(UploadBody, body), request.headers.get("Content-Type", ""))


class _FormReader:
    """Takes one form apart."""

    def __init__(self, limits: FormLimits, spool: SpoolFolder, spooled: ExitStack) -> None:
        self._limits = limits
        self._spool = spool
        self._spooled = spooled
        self._form = Form()
        self._parts = 0
        self._room = limits.field_bytes * 4
        self._part = Part("", None)
        self._file: SpooledFile | None = None
        self._text = bytearray()

    def read(self, body: UploadBody, content_type: str) -> Form:
        reader = MultipartReader(content_type)
        most = self._limits.files * self._limits.file_bytes + self._room + _FRAME
        if body.length is not None and body.length > most:
            raise _too_large("body", most)
        try:
            while data := body.read():
                for event in reader.feed(data):
                    if isinstance(event, Part):
                        self._begin(event)
                    else:
                        self._take(event)
        except OSError as fault:
            log.error("an upload cannot be written: %s", fault)  # noqa: TRY400 - the disk's fault, no bug
            full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
            said = "The disk is full." if full else "Uploads cannot be taken now."
            raise Unavailable(said, retry_after=5) from fault
        reader.end()
        return self._form

    def _begin(self, part: Part) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise InvalidRequest(f"The form has more than {MOST_PARTS} parts.", field=part.name)
        self._part = part
        self._text.clear()
        self._file = None
        if part.filename is None:
            self._begin_field(part.name)
        else:
            self._begin_file(part.name)

    def _begin_field(self, name: str) -> None:
        limits = self._limits
        if name in limits.file_fields:
            raise InvalidRequest(f"{name!r} is to be a file, with a filename.", field=name)
        if limits.fields is not None and name not in limits.fields:
            raise InvalidRequest(f"There is no field {name!r} here.", field=name)
        if name in self._form.fields:
            raise InvalidRequest(f"{name!r} was sent twice.", field=name)

    def _begin_file(self, name: str) -> None:
        limits = self._limits
        if name not in limits.file_fields:
            raise InvalidRequest(f"{name!r} is no file here.", field=name)
        if len(self._form.files) == limits.files:
            many = "one file" if limits.files == 1 else f"{limits.files} files"
            raise InvalidRequest(f"At most {many} can be sent at once.", field=name)
        self._file = self._spooled.enter_context(self._spool.new())

    def _take(self, piece: Piece) -> None:
        if self._file is not None:
            self._take_bytes(self._file, piece)
        else:
            self._take_text(piece)

    def _take_bytes(self, file: SpooledFile, piece: Piece) -> None:
        if file.bytes + len(piece.data) > self._limits.file_bytes:
            raise _too_large(self._part.name, self._limits.file_bytes)
        file.write(piece.data)
        if piece.last:
            self._form.files.append(FormFile(self._part.name, self._part.filename or "", file.finish()))

    def _take_text(self, piece: Piece) -> None:
        name = self._part.name
        self._room -= len(piece.data)
        self._text += piece.data
        if len(self._text) > self._limits.field_bytes or self._room < 0:
            raise _too_large(name, self._limits.field_bytes)
        if not piece.last:
            return
        try:
            text = self._text.decode()
        except UnicodeDecodeError:
            raise InvalidRequest(f"{name!r} is not UTF-8.", field=name) from None
        if "\0" in text:
            raise InvalidRequest(f"{name!r} holds a NUL character.", field=name)
        if name.endswith("[]"):
            self._form.lists.setdefault(name[:-2], []).append(text)
        else:
            self._form.fields[name] = text


def _too_large(name: str, most: int) -> TooLarge:
    return TooLarge(f"{name!r} is larger than {most} bytes.", field=name, details={"reason": "size", "max_bytes": most})
