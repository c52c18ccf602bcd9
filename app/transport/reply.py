"""A reply over one borrowed connection."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from geventhttpclient._parser import HTTPParseError

from app.domain.errors import ProviderFault
from app.transport.connection import Connection
from app.transport.decoding import decoder
from app.transport.parser import MAX_HEAD_BYTES, ReplyParser
from app.transport.pool import HostPool
from app.utils.cancel import Cancel
from app.utils.patience import Patience


class PooledReply:
    """Implements `transport.http.HttpReply`. It owns the connection until `close`.

    never_heard: no byte came, so that a connection that ended had ended before we asked.
    """

    def __init__(self, pool: HostPool, connection: Connection, patience: Patience, cancel: Cancel) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.never_heard = True
        self._pool = pool
        self._connection = connection
        self._patience = patience
        self._cancel = cancel
        self._parser = ReplyParser()
        self._last = b""
        self._closed = False
        cancel.add(connection.abort)

    def exchange(self, data: bytes) -> None:
        """Send the request's bytes and read the reply's head."""
        if self._cancel.reason is not None:
            raise ProviderFault("cancelled", self._cancel.reason, sent=False)
        self._send(data)
        parser = self._parser
        seen = 0
        while not parser.head_done:
            if not self._advance(self._patience.end):
                raise self._silent()
            seen += len(self._last)
            if seen > MAX_HEAD_BYTES and not parser.head_done:
                raise ProviderFault("bad_reply", "the provider's headers have no end")
        flaw = parser.flaw()
        if flaw is not None:
            raise ProviderFault("bad_reply", f"the provider's reply cannot be trusted: {flaw}")
        self.status = parser.status
        self.headers = parser.headers

    def renew(self) -> Connection:
        """Give up the connection for a new one in its place; this reply is closed then."""
        self._closed = True
        self._cancel.remove(self._connection.abort)
        return self._pool.renew(self._connection, self._patience.end, self._cancel)

    def read(self, limit: int) -> bytes:
        """See `HttpReply.read`."""
        parts: list[bytes] = []
        size = 0
        for block in self.blocks():
            size += len(block)
            if size > limit:
                raise ProviderFault(
                    "bad_reply", f"the provider's reply is larger than {limit} bytes", status=self.status
                )
            parts.append(block)
        return b"".join(parts)

    def blocks(self) -> Iterator[bytes]:
        """See `HttpReply.blocks`."""
        parser, patience = self._parser, self._patience
        try:
            decoding = decoder(self.headers.get("content-encoding"))
            while True:
                body = parser.take()
                if body and decoding is not None:
                    body = decoding.decode(body)
                if body:
                    yield body
                if parser.done:
                    break
                until = time.monotonic() + patience.tick
                end = patience.end
                if not self._advance(until if until < end else end):
                    if time.monotonic() >= patience.end:
                        raise self._silent()
                    yield b""
            if decoding is not None:
                decoding.finish()
        except ProviderFault:
            self.discard()
            raise
        finally:
            self.close()

    def close(self) -> None:
        """See `HttpReply.close`."""
        if self._closed:
            return
        self._closed = True
        connection = self._connection
        self._cancel.remove(connection.abort)
        if not connection.aborted and self._parser.is_reusable(self._last):
            self._pool.keep(connection)
        else:
            self._pool.discard(connection)

    def discard(self) -> None:
        """Close, and the connection with it however the reply may look: something was wrong with it."""
        self._connection.aborted = True
        self.close()

    def _send(self, data: bytes) -> None:
        try:
            self._connection.send(data, self._patience.end)
        except TimeoutError as fault:
            raise self._silent() from fault
        except OSError:
            # It closed while we wrote: what it said before (a 401, a 413) can still be read, or says that it ended.
            self._connection.aborted = True

    def _advance(self, until: float) -> bool:
        """Read once and feed the parser; False where nothing came in time."""
        if self._closed:
            raise ProviderFault("reset", "the reply was closed")
        try:
            data = self._connection.receive(until)
        except OSError as fault:
            raise self._ended() from fault
        if self._cancel.reason is not None:
            raise ProviderFault("cancelled", self._cancel.reason, status=self.status or None)
        if data is None:
            return False
        self._last = data
        if data:
            self.never_heard = False
        parser = self._parser
        try:
            parser.feed(data)
        except HTTPParseError as fault:
            if not parser.done:
                raise self._unreadable(fault) if data else self._ended() from fault
        if not data and not parser.done:
            raise self._ended()
        return True

    def _unreadable(self, fault: HTTPParseError) -> ProviderFault:
        return ProviderFault(
            "bad_reply", f"the provider's reply is no HTTP: {fault.args[0]}", status=self.status or None
        )

    def _silent(self) -> ProviderFault:
        kind = "stalled" if self._patience.got_content else "first_token_timeout"
        return ProviderFault(kind, "the provider went silent", status=self.status or None)

    def _ended(self) -> ProviderFault:
        """The connection ended: by our cancel, in the body, or before it."""
        if self._cancel.reason is not None:
            return ProviderFault("cancelled", self._cancel.reason, status=self.status or None)
        if self._parser.head_done:
            return ProviderFault("cut", "the provider's reply ended before its end", status=self.status)
        return ProviderFault("reset", "the provider closed the connection")
