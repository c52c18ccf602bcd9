"""The page's files: read once, compressed once, kept by browsers for as long as they do not change.

A file is reached by its own path, and is asked for again each time; or below a word that stands for all files as they
are, `/static/~1a2b3c4d5e6f/…`, and then a browser keeps it for a year. Modules name each other by relative paths, so
one word in the page carries all of them.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path

import brotli
from flask import Response, request

from app.domain.errors import NotFound
from app.utils.pools import ThreadLane

FOREVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
TEXTS = ("text/", "application/json", "image/svg+xml")
SMALL = 512
"""Bytes below which compressing gains nothing."""
_IMPORT = re.compile(r"""^(?:import|export)\b[^;'"]*["'](\.{1,2}/[^"']+)["']""", re.MULTILINE)
TYPES = {".js": "text/javascript", ".css": "text/css", ".md": "text/plain", ".woff2": "font/woff2", "": "text/plain"}


@dataclass(slots=True)
class StaticFile:
    """body: as it stands on disk. packed: the same by encoding, made when it is first asked for."""

    body: bytes
    content_type: str
    tag: str
    packed: dict[str, bytes] = field(default_factory=dict)


class StaticFiles:
    """Every file below a folder. version: a word that is another one when any of them changes."""

    def __init__(self, folder: Path) -> None:
        self._files: dict[str, StaticFile] = {}
        self._lane = ThreadLane(1)
        whole = hashlib.sha256()
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name, body = path.relative_to(folder).as_posix(), path.read_bytes()
            tag = hashlib.sha256(body).hexdigest()[:16]
            whole.update(f"{name}\0{tag}\n".encode())
            self._files[name] = StaticFile(body, _content_type(path), tag)
        self.version = whole.hexdigest()[:12]

    def below(self, folder: str) -> list[str]:
        """Paths of the files of that folder, in order."""
        return [name for name in self._files if name.startswith(f"{folder}/")]

    def modules(self, entry: str) -> list[str]:
        """Paths of a module and of all that it imports at once, by whatever way: what its page can fetch together."""
        found, waiting = {entry: None}, [entry]
        while waiting:
            name = waiting.pop()
            text = self._files[name].body.decode()
            for said in _IMPORT.findall(text):
                path = posixpath.normpath(posixpath.join(posixpath.dirname(name), said))
                if path not in found:
                    found[path] = None
                    waiting.append(path)
        return list(found)

    def reply(self, filename: str) -> Response:
        """The file as the present request wants it. Raises NotFound."""
        word, _, rest = filename.partition("/")
        lasting = word == f"~{self.version}"
        name = filename
        if word.startswith("~"):
            name = rest  # a page from before a change asks by the former word: it gets what there is
        found = self._files.get(name)
        if found is None:
            raise NotFound("there is nothing here")
        encoding = _encoding() if _gains(found) else None
        body = found.body if encoding is None else self._packed(found, encoding)
        reply = Response(body, content_type=found.content_type)
        reply.headers["Cache-Control"] = FOREVER if lasting else ASK_AGAIN
        reply.headers["Cross-Origin-Resource-Policy"] = "same-origin"
        if encoding is not None:
            reply.headers["Content-Encoding"] = encoding
        if _gains(found):
            reply.vary.add("Accept-Encoding")
        reply.set_etag(found.tag if encoding is None else f"{found.tag}-{encoding}")
        reply.make_conditional(request)
        return reply

    def _packed(self, file: StaticFile, encoding: str) -> bytes:
        if encoding not in file.packed:
            pack = _brotli if encoding == "br" else _gzip
            file.packed[encoding] = self._lane.run(lambda: pack(file.body))
        return file.packed[encoding]


def _brotli(body: bytes) -> bytes:
    # 11 gains a twentieth over 9 and takes thirty times as long; the first reader waits for it.
    packed: bytes = brotli.compress(body, quality=9)
    return packed


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, 9, mtime=0)


def _gains(file: StaticFile) -> bool:
    return len(file.body) >= SMALL and file.content_type.startswith(TEXTS)


def _encoding() -> str | None:
    takes = request.accept_encodings
    return next((name for name in ("br", "gzip") if takes.quality(name) > 0), None)


def _content_type(path: Path) -> str:
    kind = TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith(TEXTS) else kind
