"""The one transport of every chat: pooled keep-alive connections, total and per-read deadlines, cancelled at will.

Why not the library's own client: it repeats no POST on a stale connection, has no total deadline, times each
address and not the look-up, and hands out gzip as it came (docs/decisions.md).
"""

from __future__ import annotations

import ssl

from app.domain.errors import ProviderFault
from app.transport import request as wire
from app.transport.connection import Connection
from app.transport.dialling import Dialler
from app.transport.http import HttpRequest
from app.transport.pool import HostPool
from app.transport.reply import PooledReply
from app.transport.resolver import Resolver
from app.transport.tls import verifying
from app.utils.cancel import Cancel
from app.utils.patience import Patience


class PooledTransport:
    """Implements `transport.http.Transport`. One a process, made after the fork.

    connect_timeout: seconds for look-up, connection and handshake together. pool_size: connections to one host.
    """

    def __init__(self, *, connect_timeout: float, pool_size: int, resolver: Resolver | None = None) -> None:
        self._connect_timeout = connect_timeout
        self._pool_size = pool_size
        self._resolver = resolver or Resolver()
        self._pools: dict[wire.Origin, HostPool] = {}
        self._tls: ssl.SSLContext | None = None

    def send(self, request: HttpRequest, patience: Patience, cancel: Cancel) -> PooledReply:
        """See `transport.http.Transport.send`."""
        origin, host, target = wire.split(request.url)
        data = wire.head(request.method, host, target, request.headers, len(request.body)) + request.body
        pool = self._pools.get(origin) or self._pool(origin)
        connection, reused = pool.borrow(patience.end, cancel)
        reply = PooledReply(pool, connection, patience, cancel)
        try:
            try:
                reply.exchange(data)
            except ProviderFault as fault:
                if not (reused and reply.never_heard and fault.kind == "reset"):
                    raise
                # The provider closed it while it was idle: once more at once on a connection that is new.
                reply = PooledReply(pool, self._renewed(reply), patience, cancel)
                reply.exchange(data)
        except BaseException:
            reply.discard()
            raise
        return reply

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def _renewed(self, reply: PooledReply) -> Connection:
        try:
            return reply.renew()
        except ProviderFault as fault:
            fault.sent = True  # on the connection that was given up
            raise

    def _pool(self, origin: wire.Origin) -> HostPool:
        tls = self._context() if origin.scheme == "https" else None
        dialler = Dialler(origin.host, origin.port, tls, self._resolver, self._connect_timeout)
        pool = self._pools[origin] = HostPool(dialler, self._pool_size)
        return pool

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = verifying()
        return self._tls
