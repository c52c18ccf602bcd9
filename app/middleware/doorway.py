"""The one hook around every request: our id, the headers owed to every reply, the line in the access log.

It stands at WSGI level: five Flask hooks cost more than the work they do, and a reply made outside any view
(a refusal of the router, a bug in a hook) owes the same headers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING, Any

from app.domain.errors import DomainError, InternalError, NotFound
from app.middleware import chat_facts, errors
from app.middleware.access_log import AccessLog, WriteLine
from app.middleware.big_bodies import BigBodies
from app.middleware.request_id import ENVIRON_KEY, HEADER
from app.middleware.security_headers import add_security_headers, register_cors
from app.middleware.upload_body import is_upload
from app.utils.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from flask import Flask

log = logging.getLogger(__name__)


def register(
    app: Flask,
    *,
    cors_origins: Sequence[str] = (),
    write_access: WriteLine | None = None,
    max_body_bytes: int = 10 * 2**20,
) -> None:
    """Put the doorway around the app, after all other layers.

    write_access takes one finished line and must not block. max_body_bytes: MAX_BODY_MB; two such bodies fit into
    what big ones may hold together, or 24 MB of smaller ones.
    """
    # A path has one spelling: no redirect repeats what the caller wrote as our host.
    app.url_map.merge_slashes = False
    app.url_map.redirect_defaults = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    errors.register(app)
    register_cors(app, cors_origins)
    app.wsgi_app = Doorway(app.wsgi_app, write_access, max_body_bytes)  # type: ignore[method-assign]


class Doorway:
    """WSGI around WSGI."""

    def __init__(
        self, inner: WSGIApplication, write_access: WriteLine | None, max_body_bytes: int = 10 * 2**20
    ) -> None:
        self._inner = inner
        self._big_bodies = BigBodies(max(2 * max_body_bytes, 24 * 2**20))
        self._access = AccessLog(write_access) if write_access else None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request_id = environ[ENVIRON_KEY] = new_id()
        path = environ.get("PATH_INFO", "")
        passage = _Passage(environ, start_response, self._access)
        if not _is_readable(path):
            return passage.refuse(NotFound("there is nothing here"), path, request_id)
        measured = None if is_upload(environ) else self._big_bodies.measure(environ)
        try:
            passage.body = self._inner(environ, passage.start)
        except Exception:  # the last net: what Flask's own handlers let by
            log.exception("unhandled error outside the app", extra={"request_id": request_id})
            return passage.refuse(InternalError("something went wrong here"), path, request_id)
        finally:
            if measured is not None:
                measured.give_back()
        return passage


class _Passage:
    """One reply on its way out. The server iterates the app's own iterator; only the close comes by here."""

    __slots__ = ("_access", "_began", "_environ", "_start", "_status", "body")

    def __init__(self, environ: WSGIEnvironment, start: StartResponse, access: AccessLog | None) -> None:
        self._environ = environ
        self._start = start
        self._access = access
        self._status = 0
        self._began = monotonic()
        self.body: Iterable[bytes] = ()

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self._status = int(status[:3])
        add_security_headers(self._environ.get("PATH_INFO", ""), headers)
        # An idempotent replay carries the id of the first request; it has set it itself.
        if not any(name == HEADER for name, _ in headers):
            headers.append((HEADER, self._environ[ENVIRON_KEY]))
        made = chat_facts.attempts(self._environ)
        if made is not None and not any(name == chat_facts.ATTEMPTS_HEADER for name, _ in headers):
            headers.append((chat_facts.ATTEMPTS_HEADER, str(made)))
        return self._start(status, headers, exc_info) if exc_info else self._start(status, headers)

    def refuse(self, error: DomainError, path: str, request_id: str) -> _Passage:
        status, headers, body = errors.shape_error(error, path, request_id)
        headers["content-length"] = str(len(body))
        self.start(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
        self.body = (body,)
        return self

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    def close(self) -> None:
        try:
            close = getattr(self.body, "close", None)
            if close is not None:
                close()
        finally:
            if self._access is not None:
                self._access.record(self._environ, self._status, monotonic() - self._began)


def _is_readable(path: str) -> bool:
    """Whether a path is text that a store can take: UTF-8 without NUL. Nothing stands at any other."""
    if path.isascii():
        return "\0" not in path
    try:
        text = path.encode("latin-1").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return False
    return "\0" not in text
