"""Redis without a server: the same scripts on fakeredis, in the one process of the embedded mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.domain.errors import Unavailable
from app.stores.scripts import Argument, Reply, Script


class EmbeddedRedis:
    """Speaks to the fake server's own socket: redis-py's pool and parser on top of it cost as much as a script.

    server: a `fakeredis.FakeServer` to share; two without one share nothing. Calls never wait, so that a greenlet
    has its reply before another one can ask.
    """

    def __init__(self, server: Any = None) -> None:
        import hiredis
        from fakeredis import FakeServer
        from fakeredis._socket import FakeSocket
        from gevent import monkey
        from redis import Redis, RedisError

        if server is None:
            server = FakeServer(version=(7,))
            # Under gevent a lock lets others run even where it need not wait, and a script would be run into.
            server.lock = monkey.get_original("threading", "Lock")()

        self._pack = hiredis.pack_command
        self._fault = RedisError
        self._socket = FakeSocket(server, 0, client_class=Redis)
        self._replies: list[Reply] = []
        self._socket.put_response = self._replies.append

    def run(self, script: Script, keys: Sequence[Argument], args: Sequence[Argument]) -> Reply:
        reply = self._ask("EVALSHA", script.sha1, len(keys), *keys, *args)
        if isinstance(reply, self._fault) and "NOSCRIPT" in f"{type(reply).__name__} {reply}".upper():
            reply = self._ask("EVAL", script.source, len(keys), *keys, *args)
        return self._checked(reply)

    def command(self, *words: Argument) -> Reply:
        return self._checked(self._ask(*words))

    def close(self) -> None:
        """Nothing is open: what is kept lives as long as the process."""

    def _ask(self, *words: Argument) -> Reply:
        self._socket.sendall(self._pack(words))
        return self._replies.pop()

    def _checked(self, reply: Reply) -> Reply:
        if isinstance(reply, self._fault):
            raise Unavailable("the embedded store refused a script") from reply
        return reply
