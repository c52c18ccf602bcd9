"""The one transport of every chat: pooled keep-alive connections, total and per-read deadlines, cancelled at will.

Why not the library's own client: it repeats no POST on a stale connection, has no total deadline, times each
address and not the look-up, and hands out gzip as it came (docs/decisions.md).
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from gevent.ssl import SSLContext, create_default_context
from geventhttpclient._parser import HTTPParseError

from app.domain.errors import ProviderFault
from app.transport.connections import HostPool
from app.transport.decoding import decoder
from app.transport.http import HttpRequest
from app.transport.parser import MAX_HEAD_BYTES, ReplyParser
from app.transport.resolver import Resolver
from app.utils.cancel import Cancel
from app.utils.patience import Patience

BLOCK = 65_536


class PooledTransport:
    """Implements `transport.http.Transport`. One a process, made after the fork."""

    def __init__(self, *, connect_timeout: float, pool_size: int) -> None:
        self._connect_timeout = connect_timeout
        self._pool_size = pool_size
        self._resolver = Resolver()
        self._pools: dict[tuple[str, str, int], HostPool] = {}
        self._tls: SSLContext | None = None

    def send(self, request: HttpRequest, patience: Patience, cancel: Cancel) -> PooledReply:
        """See `transport.http.Transport.send`."""
        target = _split(request.url)
        pool = self._pool(target[:3])
        data = _head(request.method, target[3], target[4], request.headers, len(request.body)) + request.body
        sock, reused = pool.borrow(patience.end - time.monotonic())
        while True:
            reply = PooledReply(pool, sock, patience, cancel)
            try:
                reply.exchange(data)
            except ProviderFault as fault:
                if not (reused and reply.never_heard and fault.kind == "reset"):
                    reply.close()
                    raise
                # The provider closed it while it was idle: once more at once on a connection that is new.
                sock, reused = reply.replace_connection(), False
            except BaseException:
                reply.close()
                raise
            else:
                return reply

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def _pool(self, key: tuple[str, str, int]) -> HostPool:
        pool = self._pools.get(key)
        if pool is None:
            scheme, host, port = key
            tls = self._context() if scheme == "https" else None
            pool = self._pools[key] = HostPool(
                host, port, tls, self._resolver, size=self._pool_size, connect_timeout=self._connect_timeout
            )
        return pool

    def _context(self) -> SSLContext:
        if self._tls is None:
            self._tls = create_default_context()
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
        return self._tls


class PooledReply:
    """Implements `transport.http.HttpReply` over one borrowed connection."""

    def __init__(self, pool: HostPool, sock: Any, patience: Patience, cancel: Cancel) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.never_heard = True
        self._pool = pool
        self._sock: Any | None = sock
        self._patience = patience
        self._cancel = cancel
        self._parser = ReplyParser()
        cancel.add(self._abort)

    def exchange(self, data: bytes) -> None:
        """Send the request's bytes and read the reply's head."""
        sock = self._sock
        if sock is None:
            raise self._fault()
        try:
            sock.settimeout(max(self._patience.end - time.monotonic(), 0.001))
            sock.sendall(data)
        except OSError as fault:
            raise self._fault(fault) from fault
        seen = 0
        parser = self._parser
        while not parser.head_done:
            seen += self._receive(wait_for_all=True)
            if seen > MAX_HEAD_BYTES and not parser.head_done:
                raise ProviderFault("bad_reply", "the provider's headers have no end")
        self.status = parser.status
        self.headers = parser.headers
        self._decode = decoder(parser.headers.get("content-encoding"))

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
        parser, decode = self._parser, self._decode
        while True:
            body = parser.take()
            if body:
                if decode is not None:
                    body = decode(body)
                yield body
            if parser.done:
                self.close()
                return
            if not self._receive(wait_for_all=False):
                yield b""

    def close(self) -> None:
        """See `HttpReply.close`."""
        sock, self._sock = self._sock, None
        if sock is None:
            return
        self._cancel.remove(self._abort)
        parser = self._parser
        if parser.done and not parser.dirty and not parser.parser_failed() and parser.should_keep_alive():
            self._pool.keep(sock)
        else:
            self._pool.discard(sock)

    def replace_connection(self) -> Any:
        """Close the borrowed connection and dial another in its place."""
        sock, self._sock = self._sock, None
        self._cancel.remove(self._abort)
        try:
            fresh = self._pool.fresh(self._patience.end - time.monotonic())
        except BaseException:
            if sock is not None:
                self._pool.discard(sock)
            raise
        if sock is not None:
            sock.close()
        return fresh

    def _receive(self, *, wait_for_all: bool) -> int:
        """Read once and feed the parser; the number of bytes, 0 after a heartbeat's silence.

        wait_for_all: wait to the end of the patience instead of reporting silence.
        """
        sock, patience = self._sock, self._patience
        if sock is None:
            raise self._fault()
        left = patience.end - time.monotonic()
        wait = left if wait_for_all else min(left, patience.tick)
        try:
            sock.settimeout(wait if wait > 0.001 else 0.001)
            data = sock.recv(BLOCK)
        except TimeoutError as fault:
            if not wait_for_all and time.monotonic() < patience.end:
                return 0
            kind = "stalled" if patience.got_content else "first_token_timeout"
            raise ProviderFault(kind, "the provider went silent", status=self.status or None) from fault
        except OSError as fault:
            raise self._fault(fault) from fault
        if data:
            self.never_heard = False
        self._feed(data)
        return len(data) or 1

    def _feed(self, data: bytes) -> None:
        parser = self._parser
        try:
            parser.feed(data)
        except HTTPParseError as fault:
            if parser.done:
                parser.dirty = True
                return
            if not data:
                raise self._fault(fault) from fault
            raise ProviderFault("bad_reply", f"the provider's reply is no HTTP: {fault.args[0]}") from fault
        if not data and not parser.done:
            raise self._fault()

    def _fault(self, cause: Exception | None = None) -> ProviderFault:
        """A connection that ended: cancelled by us, cut in the body, or reset before it."""
        if self._cancel.reason is not None:
            return ProviderFault("cancelled", self._cancel.reason)
        if isinstance(cause, TimeoutError):
            return ProviderFault("first_token_timeout", "the provider did not take the request")
        if self._parser.head_done:
            return ProviderFault("cut", "the provider's reply ended before its end", status=self.status)
        return ProviderFault("reset", "the provider closed the connection")

    def _abort(self) -> None:
        """Wake whoever reads this connection; they let go of it."""
        if self._sock is not None:
            self._sock.close()


@lru_cache(maxsize=512)
def _split(url: str) -> tuple[str, str, int, str, str]:
    """(scheme, host, port, Host header, request target) of an absolute URL."""
    parts = urlsplit(url)
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host:
        raise ProviderFault("connect", "the provider's base URL is no http or https URL", sent=False)
    default = 443 if parts.scheme == "https" else 80
    port = parts.port or default
    shown = f"[{host}]" if ":" in host else host
    target = parts.path or "/"
    if parts.query:
        target += f"?{parts.query}"
    return parts.scheme, host, port, shown if port == default else f"{shown}:{port}", target


def _head(method: str, host: str, target: str, headers: Mapping[str, str], length: int) -> bytes:
    lines = [f"{method} {target} HTTP/1.1\r\nHost: {host}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    lines.append(f"Content-Length: {length}\r\n\r\n")
    return "".join(lines).encode("latin-1")
