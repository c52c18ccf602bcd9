"""HTTP for bodies that are never whole in memory: the bucket of files. Kept-alive connections, nothing repeated.

urllib3 streams both ways; the chat path's own transport sends bodies whole and cuts streams into events.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

import certifi
import urllib3

from app.domain.errors import Unavailable
from app.utils.pools import within

log = logging.getLogger(__name__)

SILENCE: Final = 30.0
"""Seconds without a byte."""
IN_ALL: Final = 600.0
"""Seconds until a reply begins, its request's body included; less than a reservation of quota lasts."""
CONNECTIONS: Final = 32
"""Kept for the next request."""
_PIECE: Final = 256 * 1024
_MOST_ERROR: Final = 2_000


class BulkHttp:
    """One a process. connect_timeout: seconds for look-up, connection and handshake."""

    def __init__(self, connect_timeout: float) -> None:
        self._pool = urllib3.PoolManager(
            maxsize=CONNECTIONS,
            block=False,  # who takes a file slowly holds its connection, and keeps nobody waiting
            retries=False,
            timeout=urllib3.Timeout(connect=connect_timeout, read=SILENCE),
            ca_certs=certifi.where(),
        )

    @contextmanager
    def ask(self, method: str, url: str, headers: Mapping[str, str], body: Iterable[bytes]) -> Iterator[Reply]:
        """Send it, and have the reply while the block runs. No redirect is followed. Raises Unavailable.

        body: in pieces; their sum stands in the header Content-Length, where there are any.
        """
        sent: Any = body if "Content-Length" in headers else None
        try:
            with within(IN_ALL, _away()):
                response = self._pool.request(
                    method, url, body=sent, headers=dict(headers), preload_content=False, redirect=False
                )
        except (urllib3.exceptions.HTTPError, OSError) as fault:
            log.error("the file store cannot be asked: %s", fault)  # noqa: TRY400 - the network's fault, no bug
            raise _away() from fault
        reply = Reply(response)
        try:
            yield reply
        finally:
            reply.close()

    def close(self) -> None:
        self._pool.clear()


class Reply:
    """See `stores.blob_bucket.BulkReply`."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self.status = response.status
        self._response = response
        self._read = False

    def pieces(self) -> Iterator[bytes]:
        try:
            yield from self._response.stream(_PIECE, decode_content=False)
            self._read = True
        except (urllib3.exceptions.HTTPError, OSError) as fault:
            log.error("a file broke off on its way: %s", fault)  # noqa: TRY400 - the network's fault, no bug
            raise _away() from fault

    def error(self) -> str:
        """At most 2,000 bytes of the body, for the log."""
        with suppress(urllib3.exceptions.HTTPError, OSError):
            return self._response.read(_MOST_ERROR, decode_content=False).decode("utf-8", "replace")
        return ""

    def close(self) -> None:
        """Back to the pool where nothing is left on the wire, else away with it."""
        with suppress(urllib3.exceptions.HTTPError, OSError):
            if not self._read and self._response.length_remaining == 0:
                self._response.read(0)
        if self._read or self._response.length_remaining == 0:
            self._response.release_conn()
        else:
            self._response.close()


def _away() -> Unavailable:
    return Unavailable("The file store cannot be reached now.", retry_after=5)
