"""The body of an upload: not read before the view asks for it, piece by piece, within the limits of any body."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

from gevent import Timeout

from app.domain.errors import DomainError, InvalidRequest, RequestTimeout
from app.middleware.request_body import IDLE_SECONDS, TOO_SLOW

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

#: Where forms with files are taken. Their views read the body by `uploads.read_form`.
PATHS: Final = frozenset(
    {
        "/files/upload",
        "/infer",
        "/v1/files",
        "/openai/v1/files",
        "/v1/audio/transcriptions",
        "/openai/v1/audio/transcriptions",
    }
)
ENVIRON_KEY: Final = "onedoor.upload"
FORM: Final = "multipart/form-data"
PIECE: Final = 64 * 1024


def is_upload(environ: WSGIEnvironment) -> bool:
    """Whether this request's body is left for its view to read."""
    return (
        environ.get("PATH_INFO") in PATHS
        and environ["REQUEST_METHOD"] == "POST"
        and environ.get("CONTENT_TYPE", "").lower().startswith(FORM)
    )


class UploadBody:
    """Bytes of a body as they come.

    seconds: how long `every` bytes of it may take on their way, and what is shorter as long; at most 10 s pass without
    a byte. What is done with the bytes in between is not counted. length: bytes, None where it comes in chunks.
    """

    def __init__(self, environ: WSGIEnvironment, *, seconds: float, every: int) -> None:
        chunked = "HTTP_TRANSFER_ENCODING" in environ
        self.length = None if chunked else int(environ.get("CONTENT_LENGTH") or 0)
        self.done = self.length == 0
        self._stream: Any = environ["wsgi.input"]
        self._socket: Any = environ.get("gunicorn.socket")
        self._close_connection: Any = environ.get("onedoor.close_connection")
        self._seconds = seconds
        self._every = every
        self._seen = 0
        self._waited = 0.0

    def read(self, size: int = PIECE) -> bytes:
        """Some bytes; none at the end. Raises RequestTimeout, and InvalidRequest for a body that breaks off."""
        wanted = min(size, PIECE) if size > 0 else PIECE
        if self.length is not None:
            wanted = min(wanted, self.length - self._seen)
        data = b"" if self.done or wanted == 0 else self._in_time(wanted)
        self._seen += len(data)
        if self.length is not None and len(data) < wanted:
            raise InvalidRequest("The body is shorter than its Content-Length.", field="body")
        self.done = self.done or not data or self._seen == self.length
        return data

    def closing(self, start_response: StartResponse) -> StartResponse:
        """The same, but a reply to a body that was not read to its end is the last one of its connection."""

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            if not self.done and self._close_connection is not None:
                self._close_connection()
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        return start

    def _in_time(self, wanted: int) -> bytes:
        left = self._seconds * max(1.0, (self._seen + wanted) / self._every) - self._waited
        began = time.monotonic()
        timer = Timeout(max(left, 0.001))
        timer.start()
        try:
            if self._socket is not None:
                self._socket.settimeout(IDLE_SECONDS)
            data: bytes = self._stream.read(wanted)
        except Timeout as over:
            if over is not timer:
                raise
            raise RequestTimeout(TOO_SLOW) from None
        except TimeoutError:
            raise RequestTimeout(TOO_SLOW) from None
        except DomainError:
            raise
        except Exception as fault:  # noqa: BLE001 - the server's own kinds; whatever it is, this is no body
            log.info("an upload could not be read: %s", fault)
            raise InvalidRequest("The body's framing is broken.", field="body") from None
        finally:
            timer.close()
            self._waited += time.monotonic() - began
            if self._socket is not None:
                self._socket.settimeout(None)
        return data
