"""One connection to Redis, shared by all greenlets of the process, each of which gets its own reply."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
import hiredis
from gevent.hub import Waiter, get_hub

from app.stores.redis_address import RedisAddress

_NOT_YET = object()
CHUNK = 65536
DIAL_SECONDS = 1.0
GRACE_SECONDS = 0.001
MOST_OWN_SECONDS = 1.0
"""That a command may wait for this process to write it: a burst of requests is no reason to give Redis up."""


class Lost:
    """Stands where a reply should: why there is none."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Link:
    """Commands that wait go out in one write; replies come back in their order.

    One whose asker has gone still has its place in the row, so that no one reads the reply of another. Where the
    first of the row has waited past its deadline the connection is closed and all who wait get `Lost`; while it is
    still being dialled only they are sent away, and the dialling goes on.

    over: told once, when the connection has ended, with the reason and whether that is the server's trouble (False
        for one that served and was closed while nobody waited long).
    """

    def __init__(self, address: RedisAddress, over: Callable[[Link, str, bool], None]) -> None:
        self._address = address
        self._over = over
        self._hub = get_hub()
        self._sock: Any = None
        self._reader = hiredis.Reader(notEnoughData=_NOT_YET)
        self._out: list[bytes] = []
        self._waiting: deque[tuple[Any, float, float]] = deque()
        self._writer_sleeps: Any = None
        self._timer: Any = None
        self._overdue: Any = None
        self.late = False
        self.dead = False
        self.served = False
        self._greenlets = [gevent.spawn(self._live)]

    def ask(self, payload: bytes, deadline: float) -> Any:
        """The reply to one packed command: bytes, int, list, None, a hiredis.ReplyError, or Lost.

        deadline: on the monotonic clock; it moves by what the command waits here before it is written.
        """
        waiter = Waiter(self._hub)
        now = time.monotonic()
        self._waiting.append((waiter, deadline, now))
        self._out.append(payload)
        if self._writer_sleeps is not None:
            sleeper, self._writer_sleeps = self._writer_sleeps, None
            self._hub.loop.run_callback(sleeper.switch, None)
        if self._timer is None:
            self._watch(deadline - now)
        return waiter.get()

    def close(self, reason: str, fault: bool = False) -> None:
        """End it now, from any greenlet or from the loop. Who waits gets `Lost`."""
        if self.dead:
            return
        self.dead = True
        if self._sock is not None:
            self._sock.close()
        for greenlet in self._greenlets:
            greenlet.kill(block=False)
        self._stop_watching()
        self._over(self, reason, fault)
        self._send_away(reason)

    def disown(self) -> None:
        """In a forked child: let go of the parent's connection, waking nobody of those copied with it."""
        self._waiting.clear()
        self.close("forked")

    def _live(self) -> None:
        """Dial, then read until the end."""
        reason = "closed"
        try:
            with gevent.Timeout(DIAL_SECONDS, TimeoutError("no connection in time")):
                self._open()
            self._greenlets.append(gevent.spawn(self._write))
            while chunk := self._sock.recv(CHUNK):
                self._reader.feed(chunk)
                self._hand_out()
        except (OSError, hiredis.HiredisError) as fault:
            reason = str(fault) or type(fault).__name__
        finally:
            # A server that drops a connection which served may have restarted: the next call may try at once.
            self.close(reason, fault=not self.served)

    def _open(self) -> None:
        sock = self._address.dial(DIAL_SECONDS)
        try:
            sock.sendall(self._address.greeting)
            for _ in range(self._address.greeting_replies):
                self._expect_welcome(sock)
        except BaseException:
            sock.close()
            raise
        self._sock = sock
        self.late = False

    def _expect_welcome(self, sock: Any) -> None:
        while (reply := self._reader.gets()) is _NOT_YET:
            chunk = sock.recv(CHUNK)
            if not chunk:
                raise ConnectionResetError("closed by the server")
            self._reader.feed(chunk)
        if isinstance(reply, hiredis.ReplyError):
            raise reply

    def _write(self) -> None:
        try:
            while True:
                if not self._out:
                    self._writer_sleeps = Waiter(self._hub)
                    self._writer_sleeps.get()
                payload = b"".join(self._out)
                self._begin_waiting(len(self._out))
                self._out.clear()
                self._sock.sendall(payload)
        except OSError as fault:
            self.close(str(fault) or type(fault).__name__, fault=not self.served)

    def _begin_waiting(self, commands: int) -> None:
        """The last so many go out now. What they waited for this process itself is not the server's fault."""
        now = time.monotonic()
        for place in range(-min(commands, len(self._waiting)), 0):
            waiter, deadline, asked = self._waiting[place]
            self._waiting[place] = (waiter, deadline + min(now - asked, MOST_OWN_SECONDS), asked)

    def _hand_out(self) -> None:
        replies = []
        while (reply := self._reader.gets()) is not _NOT_YET:
            replies.append(reply)
        if len(replies) > len(self._waiting):
            raise hiredis.ProtocolError("a reply that nobody asked for")
        if replies:
            self.served = True
            self._hub.loop.run_callback(_wake, [(self._waiting.popleft()[0], reply) for reply in replies])

    def _send_away(self, reason: str) -> None:
        lost = Lost(reason)
        sent_away = [(waiter, lost) for waiter, _, _ in self._waiting]
        self._waiting.clear()
        self._out.clear()
        self._hub.loop.run_callback(_wake, sent_away)

    def _watch(self, seconds: float) -> None:
        self._timer = self._hub.loop.timer(max(seconds, GRACE_SECONDS))
        self._timer.start(self._look)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    def _look(self) -> None:
        """Runs in the loop when the first of the row should have its reply. One timer serves all."""
        self._stop_watching()
        if not self._waiting:
            return
        first = self._waiting[0]
        left = first[1] - time.monotonic()
        if left > 0:
            self._watch(left)
        elif self._overdue is not first[0]:
            # The process itself may have slept: one more turn, so that what lies in the socket is read first.
            self._overdue = first[0]
            self._watch(GRACE_SECONDS)
        elif self._sock is None:
            self.late = True
            self._send_away("no connection in time")
        else:
            # Not here: what it tells may be logged, and the loop must not wait for a lock.
            gevent.spawn(self.close, "no reply in time", fault=True)


def _wake(replies: list[tuple[Any, Any]]) -> None:
    for waiter, reply in replies:
        waiter.switch(reply)
