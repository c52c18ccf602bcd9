"""One worker: gunicorn's gevent worker with our end, and with a request's way through it kept short.

gunicorn parses and frames; what is left out is what nobody here uses (hooks, its access log, sendfile, early hints) and
what costs: a reply's head and first bytes leave in one send, a send that need not wait goes straight to the kernel, and
what is the same for every request is made once.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterable
from functools import partial
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.server import StreamServer
from gunicorn.http import wsgi
from gunicorn.util import http_date, unquote_to_wsgi_str
from gunicorn.workers.ggevent import GeventWorker

log = logging.getLogger("onedoor.server")

GRACE_SECONDS = 5  # the server's own limit stands so many seconds behind ours
_SETTLE_SECONDS = 4  # within that grace: what was cancelled writes its rows
_CUT_SECONDS = 1.5  # the master waits 2 s after the second signal
_KEYS = {"CONTENT-TYPE": "CONTENT_TYPE", "CONTENT-LENGTH": "CONTENT_LENGTH", "HOST": "HTTP_HOST"}


class Worker(GeventWorker):
    """A gevent worker that stops in our order: no new connections, time for streams, cancel, settle, close."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._wake = Event()
        self._cut = False

    def init_signals(self) -> None:
        super().init_signals()
        # Ctrl-C reaches the whole process group; the master says TERM to us then, and twice is not meant.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gevent.signal_handler(signal.SIGTERM, self._leave)
        gevent.signal_handler(signal.SIGQUIT, self._leave, True)

    def _leave(self, cut: bool = False) -> None:
        self.alive = False
        self._cut = self._cut or cut
        self._wake.set()

    def load_wsgi(self) -> None:
        super().load_wsgi()
        self._lifecycle = getattr(self.wsgi, "extensions", {}).get("lifecycle")
        host, port = self.sockets[0].getsockname()[:2]
        self._same = wsgi.base_environ(self.cfg) | {
            "wsgi.multithread": True,
            "wsgi.url_scheme": "http",
            "SCRIPT_NAME": "",
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
        }

    def notify(self) -> None:
        self.tmp.notify()
        if self.ppid != os.getppid() and self.alive:
            log.error("the master is gone, leaving")
            self._leave()

    def run(self) -> None:
        servers = [self._listen(listener) for listener in self.sockets]
        while self.alive:
            self.notify()
            self._wake.wait(1.0)
        self._stop(servers)

    def _listen(self, listener: Any) -> StreamServer:
        listener.setblocking(True)
        named = Named(listener.getsockname())
        server = StreamServer(listener, handle=partial(self.handle, named), spawn=Pool(self.worker_connections))
        if self.cfg.workers > 1:
            server.max_accept = 1
        server.start()
        return server

    def handle_request(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Answer one request; StopIteration ends the connection."""
        reply = Reply(req, sock, self.cfg)
        environ = self._environ(req, sock, addr)
        # The app may say that what follows on this connection is not to be believed.
        environ["onedoor.close_connection"] = reply.force_close
        if not self.alive:
            reply.force_close()
        try:
            self._answer(environ, reply)
        except gevent.GreenletExit:
            raise StopIteration from None
        except TimeoutError:
            log.debug("nobody took the reply in time")
            raise StopIteration from None
        except OSError:
            raise
        except Exception:
            if not reply.headers_sent:
                raise
            log.exception("a reply broke off")
            raise StopIteration from None
        if reply.should_close():
            raise StopIteration

    def _environ(self, req: Any, sock: Any, addr: Any) -> dict[str, Any]:
        """The request as WSGI has it. Fields that come twice are joined by commas (RFC 9110, section 5.3)."""
        if req._expected_100_continue:
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        environ = self._same.copy()
        environ["wsgi.input"] = req.body
        environ["gunicorn.socket"] = sock
        environ["REQUEST_METHOD"] = req.method
        environ["QUERY_STRING"] = req.query
        environ["RAW_URI"] = req.uri
        environ["SERVER_PROTOCOL"] = "HTTP/1.1" if req.version == (1, 1) else "HTTP/{}.{}".format(*req.version)
        environ["PATH_INFO"] = unquote_to_wsgi_str(req.path)
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = addr[0], str(addr[1])
        for name, value in req.headers:
            key = _KEYS.get(name) or "HTTP_" + name.replace("-", "_")
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ

    def _answer(self, environ: dict[str, Any], reply: Reply) -> None:
        body: Iterable[bytes] = self.wsgi(environ, reply.start_response)
        try:
            for piece in body:
                reply.write(piece)
            reply.close()
        finally:
            if (close := getattr(body, "close", None)) is not None:
                close()

    def _stop(self, servers: list[StreamServer]) -> None:
        if self._lifecycle is not None:
            self._lifecycle.drain()
        for server in servers:
            server.close()
        self._await(servers, self.cfg.graceful_timeout - GRACE_SECONDS, until_cut=True)
        if self._lifecycle is not None:
            self._lifecycle.cancel_all()
        self._await(servers, _CUT_SECONDS if self._cut else _SETTLE_SECONDS, until_cut=False)
        for server in servers:
            server.stop(timeout=0)
        if self._lifecycle is not None:
            self._lifecycle.close()

    def _await(self, servers: list[StreamServer], seconds: float, *, until_cut: bool) -> None:
        """Until no connection is open, at most so long."""
        end = time.monotonic() + seconds
        while any(len(server.pool) for server in servers) and time.monotonic() < end:
            if until_cut and self._cut:
                return
            self.notify()
            gevent.sleep(0.02)


class Named:
    """A listener's name without the listener: one that closes must not fail who was accepted just before."""

    def __init__(self, name: Any) -> None:
        self._name = name

    def getsockname(self) -> Any:
        return self._name


class Reply(wsgi.Response):
    """gunicorn's reply, which writes head and first bytes at once."""

    def default_headers(self) -> list[str]:
        connection = "close" if self.should_close() else "keep-alive"
        head = [
            f"HTTP/{self.req.version[0]}.{self.req.version[1]} {self.status}\r\n{_date()}Connection: {connection}\r\n"
        ]
        return [*head, "Transfer-Encoding: chunked\r\n"] if self.chunked else head

    def write(self, arg: bytes) -> None:
        if self._omits_body or not isinstance(arg, bytes):
            super().write(arg)
        elif self.chunked:
            if arg:
                self._send(b"%X\r\n%b\r\n" % (len(arg), arg))
        elif arg:
            left = None if self.response_length is None else self.response_length - self.sent
            self._send(arg if left is None or len(arg) <= left else arg[:left])
            self.sent += len(arg)

    def close(self) -> None:
        if not self.chunked:
            super().close()
        else:
            self._send(b"0\r\n\r\n")

    def _send(self, data: bytes) -> None:
        if not self.headers_sent:
            self.headers_sent = True
            head = [*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"]
            data = "".join(head).encode("latin-1") + data
        try:
            # gevent's own sendall asks for the buffer's size and sets a clock before it tries this.
            sent = self.sock._sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self.sock.sendall(memoryview(data)[sent:])


def _date() -> str:
    """Server and date of a reply; the date is made once a second."""
    global _dated
    second = int(time.time())
    if _dated[0] != second:
        _dated = second, f"Server: onedoor\r\nDate: {http_date()}\r\n"
    return _dated[1]


_dated = (0, "")
