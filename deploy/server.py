"""The HTTP server: gunicorn with gevent workers, told here how to listen, how much to take and how to stop.

run.py starts it. Signals, to the master: TERM and INT stop gracefully, a second one at once; HUP puts new workers in
the old ones' place, which end gracefully; a worker whose master is gone leaves as after TERM.
"""

from __future__ import annotations

import logging
import math
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger

from deploy.worker import GRACE_SECONDS, Worker

if TYPE_CHECKING:
    from app.settings import Settings

log = logging.getLogger("onedoor.server")

HEADER_SECONDS = 2  # a connection's idle time and a request's head: gunicorn has one limit for both
_SPARE_CONNECTIONS = 1024  # past MAX_STREAMS, so that who is refused is told so
_OWN_DESCRIPTORS = 64
_UNSENT_BYTES = 128 * 1024  # of a reply that its reader does not take, more stays with who makes it


@dataclass(frozen=True, slots=True)
class Capacity:
    """streams: requests at once a worker. connections: open connections a worker, idle and refused ones too."""

    streams: int
    connections: int


def capacity(wanted: int) -> Capacity:
    """Raise the limit of open files as far as it goes and fit into it: a stream needs one here and one upstream."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = 2 * wanted + _SPARE_CONNECTIONS + _OWN_DESCRIPTORS
    limit = need if hard == resource.RLIM_INFINITY else min(need, hard)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    limit = max(limit, soft) if soft != resource.RLIM_INFINITY else need
    if limit >= need:
        return Capacity(wanted, wanted + _SPARE_CONNECTIONS)
    spare = max(32, limit // 8)
    streams = max(1, min(wanted, (limit - _OWN_DESCRIPTORS - spare) // 2))
    return Capacity(streams, streams + spare)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, before anything heavy is loaded: a port that is taken is told at once. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_BYTES)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def serve(
    settings: Settings, listener: socket.socket, ready: Callable[[], None], *, room: Capacity, debug: bool
) -> None:
    """Serve until told to stop, then exit the process. ready: called once, when the first worker takes requests."""
    Server(replace(settings, max_streams=room.streams), listener, ready, room=room, debug=debug).run()


class Server(BaseApplication):
    """gunicorn told by values, not by its command line or a file."""

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        ready: Callable[[], None],
        *,
        room: Capacity,
        debug: bool,
    ) -> None:
        self._settings = settings
        self._descriptor = listener.detach()  # gunicorn makes a duplicate of it and closes it
        self._ready = ready
        self._room = room
        self._debug = debug
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options().items():
            self.cfg.set(name, value)

    def _options(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "bind": f"fd://{self._descriptor}",
            "worker_class": Worker,
            "workers": 1 if self._debug else settings.web_concurrency,
            "worker_connections": self._room.connections,
            "keepalive": HEADER_SECONDS,
            "graceful_timeout": math.ceil(settings.shutdown_timeout) + GRACE_SECONDS,
            "timeout": 30,
            "limit_request_line": 4094,
            "limit_request_fields": 100,
            "limit_request_field_size": 8190,
            "forwarded_allow_ips": "",  # X-Forwarded-* is the app's business, by TRUSTED_PROXIES
            "secure_scheme_headers": {},
            "forwarder_headers": "",
            "control_socket_disable": True,
            "reload": self._debug,
            "reload_engine": "poll",
            "logger_class": ServerLog,
            "loglevel": settings.log_level.lower(),
            "post_worker_init": self._worker_ready,
            "child_exit": _count_no_more,
            "proc_name": "onedoor",
        }

    def _worker_ready(self, worker: Worker) -> None:
        if worker.age == 1:
            self._ready()

    def load(self) -> Callable[..., Iterable[bytes]]:
        from app import create_app

        return create_app(self._settings)

    def run(self) -> None:
        Master(self).run()


def _count_no_more(_: Arbiter, worker: Worker) -> None:
    """What a worker says of the present moment dies with it; what it counted stays."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


class Master(Arbiter):
    """INT stops as gracefully as TERM does; a second one of either stops at once."""

    _leaving = False

    def signal(self, sig: int, frame: Any) -> None:
        if sig in (signal.SIGTERM, signal.SIGINT):
            sig = signal.SIGQUIT if self._leaving else signal.SIGTERM
            self._leaving = True
        super().signal(sig, frame)

    def handle_usr2(self) -> None:
        self.log.warning("SIGUSR2 is not served: start a second server, then stop this one")


class ServerLog(Logger):
    """gunicorn's words go where ours go; the access log is ours alone."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.access_log.handlers.clear()

    def access(self, *_: Any) -> None:
        """Nothing: the doorway writes one line a request."""
