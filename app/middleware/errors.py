"""Every error leaves here, in the shape of the door it was met at."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import orjson
from flask import Response, request
from werkzeug import exceptions as http

from app.domain.errors import (
    DomainError,
    Forbidden,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    Overloaded,
    ProviderFault,
    RateLimited,
    RequestTimeout,
    TooLarge,
    Unauthorized,
    Unavailable,
    UnsupportedMedia,
)
from app.middleware.limit_headers import limit_headers
from app.middleware.request_id import request_id
from app.schemas.validation import invalid

if TYPE_CHECKING:
    from flask import Flask

log = logging.getLogger(__name__)

_BY_STATUS: dict[int, tuple[type[DomainError], str]] = {
    401: (Unauthorized, "a valid bearer token is needed"),
    403: (Forbidden, "this is not allowed"),
    404: (NotFound, "there is nothing here"),
    405: (MethodNotAllowed, "this method is not allowed here"),
    408: (RequestTimeout, "the request's body came too slowly"),
    413: (TooLarge, "the body is too large"),
    415: (UnsupportedMedia, "this media type is not taken here"),
    429: (RateLimited, "too many requests"),
    503: (Unavailable, "this cannot be done just now"),
}


def is_openai_door(path: str) -> bool:
    """Whether errors of this path have OpenAI's shape."""
    return path.startswith(("/v1/", "/openai/v1/")) or path in ("/v1", "/openai/v1")


def error_object(error: DomainError, path: str) -> dict[str, Any]:
    """The error as an object: the whole body of a reply, or what a stream's error event carries."""
    if is_openai_door(path):
        shown: dict[str, Any] = {
            "message": error.message,
            "type": error.kind,
            "param": error.field,
            "code": error.code,
        }
        if error.details:
            shown["details"] = error.details
        return {"error": shown}
    details = dict(error.details)
    if error.field is not None:
        details["field"] = error.field
    return {"status": "error", "error": {"code": error.code, "message": error.message, "details": details}}


def shape_error(error: DomainError, path: str, request_id: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the reply owed for an error at this path."""
    headers = {"content-type": "application/json", "x-request-id": request_id}
    if error.retry_after is not None or isinstance(error, RateLimited | Overloaded):
        headers["retry-after"] = str(retry_after_seconds(error))
    if error.standing is not None:
        headers |= limit_headers(error.standing)
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    if isinstance(error, MethodNotAllowed):
        allowed = error.details.get("allow", ())
        headers["allow"] = ", ".join(allowed) if isinstance(allowed, list | tuple) else ""
    return error.status, headers, _dump(error_object(error, path))


def retry_after_seconds(error: DomainError) -> int:
    """Whole seconds, at least 1: a client that comes back in the same second finds the same answer."""
    wait = error.retry_after
    if wait is None or not math.isfinite(wait):
        return 1
    return max(1, math.ceil(wait))


def from_http_exception(error: http.HTTPException) -> DomainError:
    """What the framework refused, in the contract's words; its own text is never shown."""
    if isinstance(error, http.MethodNotAllowed):
        return MethodNotAllowed(_BY_STATUS[405][1], details={"allow": sorted(error.valid_methods or ())})
    status = error.code or 500
    if status == 422:
        messages = (getattr(error, "data", None) or {}).get("messages", {})
        return invalid(messages)
    if status in _BY_STATUS:
        kind, message = _BY_STATUS[status]
        return kind(message, details={"reason": "size"} if kind is TooLarge else None)
    if 400 <= status < 500:
        return InvalidRequest("the request could not be read")
    return InternalError("something went wrong here; the request id says where to look")


def _dump(shown: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(shown)
    except TypeError:
        # A lone surrogate or a type orjson does not know, in a message made of somebody's input.
        return orjson.dumps(_plain(shown))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {_plain(str(name)): _plain(child) for name, child in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(child) for child in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value).encode("utf-8", "replace").decode()


def reply(error: DomainError) -> Response:
    """The reply for an error met in the present request."""
    status, headers, body = shape_error(error, request.path, request_id())
    return Response(body, status, headers)


def register(app: Flask) -> None:
    """Let no error of any kind leave the app in another shape."""
    app.register_error_handler(DomainError, _domain)
    app.register_error_handler(http.HTTPException, _http)
    app.register_error_handler(Exception, _bug)


def _domain(error: DomainError) -> Response:
    if error.status == 500:
        # A model that fails an admin's test is no bug of ours: where in the code that was seen says nothing.
        bug = None if isinstance(error.__cause__, ProviderFault) else error
        log.error("internal error: %s", error.message, exc_info=bug, extra={"request_id": request_id()})
    return reply(error)


def _http(error: http.HTTPException) -> Response:
    if error.response is not None:
        return reply(InternalError("something went wrong here"))
    return reply(from_http_exception(error))


def _bug(error: Exception) -> Response:
    log.error("unhandled error", exc_info=error, extra={"request_id": request_id()})
    return reply(InternalError("something went wrong here; the request id says where to look"))
