"""What no request may be, whatever its path: refused here before any of it reaches Flask.

WSGI around WSGI, inside the doorway (which gave the request its id). Costs a few microseconds on a sound request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from app.domain.errors import (
    DomainError,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    Unavailable,
    UnsupportedMedia,
)
from app.middleware import upload_body
from app.middleware.errors import shape_error
from app.middleware.forwarding import Forwarding, Network
from app.middleware.hosts import Hosts
from app.middleware.request_body import has_body, let_go, read_body
from app.middleware.request_id import ENVIRON_KEY
from app.middleware.upload_body import UploadBody, is_upload

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from flask import Flask

    from app.utils.lifecycle import Lifecycle

_HEALTH = frozenset({"/api/health", "/api/ready", "/metrics"})
# Empty and dot segments, controls and backslashes: nothing of ours stands at such a path.
_ODD_PATH = re.compile(r"//|[\x00-\x1f\x7f\\]|/\.\.?(?:/|\Z)")
_SLASH_IN_NAME = re.compile(r"(?:/openai)?/v1/models/")
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def register(
    app: Flask,
    lifecycle: Lifecycle,
    *,
    max_streams: int,
    max_body_bytes: int,
    body_seconds: float,
    allowed_hosts: Sequence[str] = (),
    trusted_proxies: Sequence[Network] = (),
) -> None:
    """Put the hygiene around the app; call it before the doorway is registered.

    max_streams: requests at once. body_seconds: a body's time in all. allowed_hosts: `name`, `*.name`, `name:port`.
    """
    app.wsgi_app = HttpHygiene(  # type: ignore[method-assign]
        app.wsgi_app,
        lifecycle,
        max_streams=max_streams,
        max_body_bytes=max_body_bytes,
        body_seconds=body_seconds,
        hosts=Hosts(allowed_hosts),
        forwarding=Forwarding(trusted_proxies),
    )


class HttpHygiene:
    """Counts what is in flight, checks the head, reads the body (not an upload's); refusals close the connection."""

    def __init__(
        self,
        inner: WSGIApplication,
        lifecycle: Lifecycle,
        *,
        max_streams: int,
        max_body_bytes: int,
        body_seconds: float,
        hosts: Hosts,
        forwarding: Forwarding,
    ) -> None:
        self._inner = inner
        self._lifecycle = lifecycle
        self._max_streams = max_streams
        self._max_body_bytes = max_body_bytes
        self._body_seconds = body_seconds
        self._hosts = hosts
        self._forwarding = forwarding
        self.open = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path: str = environ.get("PATH_INFO", "")
        self.open += 1
        try:
            self._admit(path)
            self._forwarding.apply(environ)
            self._check_head(environ, path)
            if has_body(environ):
                if is_upload(environ):
                    return self._upload(environ, start_response)
                read_body(environ, self._max_body_bytes, self._body_seconds)
            reply = self._inner(environ, start_response)
        except DomainError as error:
            self.open -= 1
            return _refusal(error, environ, start_response, path)
        except BaseException:
            self.open -= 1
            raise
        return _Counted(self, reply)

    def _upload(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """A request whose view reads the body. What it did not read is not taken for the next request."""
        body = UploadBody(environ, seconds=self._body_seconds, every=self._max_body_bytes)
        environ[upload_body.ENVIRON_KEY] = environ["wsgi.input"] = body
        reply = self._inner(environ, body.closing(start_response))
        return _Counted(self, reply, lambda: None if body.done else let_go(environ.get("gunicorn.socket")))

    def _admit(self, path: str) -> None:
        if path in _HEALTH:
            return
        if self._lifecycle.draining:
            raise Unavailable("the server is shutting down", retry_after=1)
        if self.open > self._max_streams:
            raise Overloaded("the server is full", retry_after=1)

    def _check_head(self, environ: WSGIEnvironment, path: str) -> None:
        self._hosts.check(environ)
        if environ["REQUEST_METHOD"] == "CONNECT":
            raise MethodNotAllowed("this method is not allowed here", details={"allow": _METHODS})
        if _ODD_PATH.search(path) or _hides_a_slash(environ.get("RAW_URI", ""), path):
            raise NotFound("there is nothing here")
        if (coding := environ.get("HTTP_CONTENT_ENCODING")) and coding.strip().lower() != "identity":
            raise UnsupportedMedia("send the body as it is, without Content-Encoding", field="Content-Encoding")


def _hides_a_slash(raw: str, path: str) -> bool:
    """Whether %2F stands in the path; only in a model's name is it a letter like any other."""
    if "%" not in raw:
        return False
    return "%2f" in raw.partition("?")[0].lower() and not _SLASH_IN_NAME.match(path)


def _refusal(error: DomainError, environ: WSGIEnvironment, start_response: StartResponse, path: str) -> Iterable[bytes]:
    status, headers, body = shape_error(error, path, environ[ENVIRON_KEY])
    headers["content-length"] = str(len(body))
    if close := environ.get("onedoor.close_connection"):
        close()
    start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
    return _Farewell(body, environ)


class _Farewell:
    """A refusal and the end of its connection."""

    __slots__ = ("_body", "_environ")

    def __init__(self, body: bytes, environ: WSGIEnvironment) -> None:
        self._body = body
        self._environ = environ

    def __iter__(self) -> Iterator[bytes]:
        yield self._body

    def close(self) -> None:
        if has_body(self._environ):
            let_go(self._environ.get("gunicorn.socket"))


class _Counted:
    """A reply that gives its place back once it is over. The server iterates the app's own iterator."""

    __slots__ = ("_ended", "_hygiene", "_reply")

    def __init__(self, hygiene: HttpHygiene, reply: Iterable[bytes], ended: Callable[[], None] | None = None) -> None:
        self._hygiene: HttpHygiene | None = hygiene
        self._reply = reply
        self._ended = ended

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._reply)

    def close(self) -> None:
        hygiene, self._hygiene = self._hygiene, None
        if hygiene is None:
            return
        try:
            if (close := getattr(self._reply, "close", None)) is not None:
                close()
        finally:
            hygiene.open -= 1
            if self._ended is not None:
                self._ended()
