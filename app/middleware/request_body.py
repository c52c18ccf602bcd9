"""The body of a request, read whole within limits of size and time."""

from __future__ import annotations

import logging
from io import BytesIO
from socket import SHUT_WR
from time import monotonic
from typing import TYPE_CHECKING, Any

from gevent import Timeout

from app.domain.errors import DomainError, InvalidRequest, RequestTimeout, TooLarge

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

log = logging.getLogger(__name__)

IDLE_SECONDS = 10.0
_PIECE = 1 << 16
_LINGER_SECONDS = 1.0
_LINGER_BYTES = 4 << 20
TOO_SLOW = "the request's body came too slowly"


def has_body(environ: WSGIEnvironment) -> bool:
    return environ.get("CONTENT_LENGTH", "0") not in ("0", "") or "HTTP_TRANSFER_ENCODING" in environ


def read_body(environ: WSGIEnvironment, limit: int, seconds: float) -> None:
    """Put the whole body into `wsgi.input`.

    limit: bytes; seconds: for the whole of it, and at most 10 of them without a byte. Raises TooLarge, RequestTimeout,
    and InvalidRequest where the body's framing is broken or it ends early.
    """
    length = None if "HTTP_TRANSFER_ENCODING" in environ else int(environ["CONTENT_LENGTH"])
    if length is not None and length > limit:
        raise _too_large(limit)
    data = _in_time(environ, length, limit, seconds)
    if length is not None and len(data) != length:
        raise InvalidRequest("the body is shorter than its Content-Length")
    environ["wsgi.input"] = BytesIO(data)
    environ["CONTENT_LENGTH"] = str(len(data))


def _in_time(environ: WSGIEnvironment, length: int | None, limit: int, seconds: float) -> bytes:
    stream, sock = environ["wsgi.input"], environ.get("gunicorn.socket")
    timer = Timeout(seconds)
    timer.start()
    try:
        if sock is not None:
            sock.settimeout(IDLE_SECONDS)
        return stream.read(length) if length is not None else _chunked(stream, limit)
    except Timeout as over:
        if over is not timer:
            raise
        raise RequestTimeout(TOO_SLOW) from None
    except TimeoutError:
        raise RequestTimeout(TOO_SLOW) from None
    except DomainError:
        raise
    except Exception as fault:  # noqa: BLE001 - the server's own kinds; whatever it is, this is no body
        log.info("a body could not be read: %s", fault, extra={"request_id": environ.get("onedoor.request_id")})
        raise InvalidRequest("the body's framing is broken") from None
    finally:
        timer.close()
        if sock is not None:
            sock.settimeout(None)


def _chunked(stream: Any, limit: int) -> bytes:
    pieces, size = [], 0
    while piece := stream.read(_PIECE):
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
    return b"".join(pieces)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is larger than {limit} bytes", details={"reason": "size", "max_bytes": limit})


def let_go(sock: Any) -> None:
    """End our side of a connection whose body was not read, and look away a moment while the other side finds out.

    Closed at once, the unread bytes would reset the connection and the peer would lose the reply it was sent.
    """
    if sock is None:
        return
    end, left = monotonic() + _LINGER_SECONDS, _LINGER_BYTES
    try:
        sock.shutdown(SHUT_WR)
        while left > 0 and (wait := end - monotonic()) > 0:
            sock.settimeout(wait)
            got = len(sock.recv(_PIECE))
            left = left - got if got else 0
    except OSError:
        log.debug("the peer left before its refusal was read")
