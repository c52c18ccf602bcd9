"""One connection, waited on through the loop by one greenlet at a time.

Not gevent's own socket: that one tries, fails with an exception and sets up a timer at each read, which costs
as much as all the rest of a streamed chunk (docs/decisions.md).
"""

from __future__ import annotations

import errno
import math
import os
import select
import socket
import ssl
import time
from typing import Any

from gevent import get_hub, getcurrent, monkey

BLOCK = 65_536
_READ, _WRITE = 1, 2
_ANY_EVENT = select.POLLIN | select.POLLRDHUP | select.POLLHUP | select.POLLERR

_new_socket: Any = monkey.get_original("socket", "socket")
_new_poll: Any = monkey.get_original("select", "poll")


class _Expired(BaseException):
    """Thrown by a connection's timer into who waits for the connection; never leaves this file."""


class Connection:
    """A plain TCP connection. Moments (`until`) are on the monotonic clock.

    aborted: broken off, so that it must not be used again.
    """

    def __init__(self, family: int) -> None:
        self.aborted = False
        self._hub = get_hub()
        self._sock = _new_socket(family, socket.SOCK_STREAM)
        self._sock.setblocking(False)
        self._readable = self._hub.loop.io(self._sock.fileno(), _READ)
        self._writable = self._hub.loop.io(self._sock.fileno(), _WRITE)
        self._poll = _new_poll()
        self._poll.register(self._sock.fileno(), _ANY_EVENT)
        self._timer: Any = None
        self._rings = math.inf
        self._until = math.inf
        self._waiting: Any = None

    def connect(self, address: tuple[Any, ...], until: float) -> None:
        """Raises OSError, TimeoutError among them."""
        fault = self._sock.connect_ex(address)
        if fault == errno.EINPROGRESS:
            if not self._wait(self._writable, until):
                raise _timed_out()
            fault = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if fault:
            raise OSError(fault, os.strerror(fault))
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def secure(self, host: str, until: float) -> None:
        """Prove who the other side is, where the scheme asks for it. Raises OSError (ssl.SSLError, TimeoutError)."""

    def send(self, data: bytes, until: float) -> None:
        """Write all of it. Raises OSError, TimeoutError among them."""
        left = memoryview(data)
        while left:
            try:
                left = left[self._sock.send(left) :]
            except BlockingIOError:
                if not self._wait(self._writable, until):
                    raise _timed_out() from None

    def receive(self, until: float) -> bytes | None:
        """What comes next, b"" at the end, None where nothing came in time. Raises OSError."""
        in_time = time.monotonic() < until
        while True:
            heard = self._wait(self._readable, until)
            if not (heard or in_time):
                return None
            try:
                data: bytes = self._sock.recv(BLOCK)
            except BlockingIOError:
                if not heard:
                    return None
                continue
            # Also where the timer was first: a loop that was late is our silence, not theirs.
            return data

    def is_silent(self) -> bool:
        """Open, and not a byte waits to be read."""
        return not self._poll.poll(0)

    def abort(self) -> None:
        """End it at once, from any greenlet; who waits for it wakes, and is the one to close it."""
        self.aborted = True
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError as fault:
            if fault.errno not in (errno.ENOTCONN, errno.EBADF):
                raise

    def close(self) -> None:
        self.aborted = True
        if self._timer is not None:
            self._timer.close()
        self._readable.close()
        self._writable.close()
        self._sock.close()

    def _wait(self, watcher: Any, until: float) -> bool:
        """Whether the watcher's event came before `until`."""
        self._until = until
        if until < self._rings:
            self._set_timer(until)
        self._waiting = getcurrent()
        try:
            self._hub.wait(watcher)
        except _Expired:
            return False
        finally:
            self._waiting = None
        return True

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.close()
        self._rings = at
        self._timer = self._hub.loop.timer(max(at - time.monotonic(), 0.0), ref=False)
        self._timer.start(self._ring)

    def _ring(self) -> None:
        """One timer lives on from wait to wait, set to the soonest end: when it fires, the present wait may have
        a later one."""
        self._rings = math.inf
        waiting = self._waiting
        if waiting is None:
            return
        if self._until > time.monotonic():
            self._set_timer(self._until)
        else:
            waiting.throw(_Expired)


class TlsConnection(Connection):
    """The same under TLS, verified."""

    def __init__(self, family: int, context: ssl.SSLContext) -> None:
        super().__init__(family)
        self._context = context
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: Any = None

    def secure(self, host: str, until: float) -> None:
        self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                if not self._fill(until):
                    raise _timed_out() from None
            else:
                break
        self._flush(until)

    def send(self, data: bytes, until: float) -> None:
        self._tls.write(data)
        self._flush(until)

    def receive(self, until: float) -> bytes | None:
        # What OpenSSL holds already would wait for an event that has been.
        if not (self._incoming.pending or self._tls.pending()) and not self._fill(until):
            return None
        while True:
            try:
                data: bytes = self._tls.read(BLOCK)
            except ssl.SSLWantReadError:
                if not self._fill(until):
                    return None
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            else:
                return data

    def is_silent(self) -> bool:
        return not self._incoming.pending and not self._tls.pending() and super().is_silent()

    def _fill(self, until: float) -> bool:
        """Give OpenSSL what comes next; False where nothing came in time."""
        if self._outgoing.pending:
            self._flush(until)
        data = super().receive(until)
        if data is None:
            return False
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return True

    def _flush(self, until: float) -> None:
        if self._outgoing.pending:
            super().send(self._outgoing.read(), until)


def _timed_out() -> TimeoutError:
    return TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
