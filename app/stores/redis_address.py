"""Where a Redis is and how one gets in."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

import hiredis
from gevent import socket
from gevent.ssl import SSLContext
from redis.connection import parse_url


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """What a URL says: redis://, rediss:// (TLS, checked) or unix://, with user, password and database number."""

    host: str
    port: int
    path: str | None
    greeting: bytes
    greeting_replies: int
    tls: SSLContext | None

    @classmethod
    def parse(cls, url: str) -> RedisAddress:
        """Raises ValueError where it is no such URL."""
        said: dict[str, Any] = dict(parse_url(url))  # type: ignore[no-untyped-call]
        greeting = _greeting(said.get("username"), said.get("password"), int(said.get("db") or 0))
        return cls(
            host=said.get("host") or "localhost",
            port=said.get("port") or 6379,
            path=said.get("path"),
            greeting=b"".join(hiredis.pack_command(words) for words in greeting),
            greeting_replies=len(greeting),
            tls=_tls(said) if "SSL" in getattr(said.get("connection_class"), "__name__", "") else None,
        )

    def dial(self, timeout: float) -> Any:
        """A connected socket that blocks only its greenlet. Raises OSError within `timeout` seconds a step."""
        if self.path is not None:
            return _dial_file(self.path)
        sock = socket.create_connection((self.host, self.port), timeout=timeout)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_hostname=self.host)
            sock.settimeout(None)
        except BaseException:
            sock.close()
            raise
        return sock


def _dial_file(path: str) -> Any:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def _greeting(username: str | None, password: str | None, db: int) -> list[tuple[str | int, ...]]:
    """PING is always asked: a server that loads or refuses says so before a chat waits on it."""
    words: list[tuple[str | int, ...]] = []
    if password:
        words.append(("AUTH", username, password) if username else ("AUTH", password))
    if db:
        words.append(("SELECT", db))
    return [*words, ("PING",)]


def _tls(said: dict[str, Any]) -> SSLContext:
    context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if said.get("ssl_cert_reqs") in ("none", ssl.CERT_NONE):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif said.get("ssl_ca_certs") or said.get("ssl_ca_path"):
        context.load_verify_locations(said.get("ssl_ca_certs"), said.get("ssl_ca_path"))
    else:
        context.load_default_certs()
    if said.get("ssl_certfile"):
        context.load_cert_chain(said["ssl_certfile"], said.get("ssl_keyfile"))
    return context
