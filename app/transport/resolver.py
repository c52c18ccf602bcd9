"""Names to addresses, in threads of their own, so that look-ups that hang stop nothing else.

gevent's resolver shares ten threads with all that blocks; ten stuck look-ups there would stop every other one.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent import monkey
from gevent.event import AsyncResult
from gevent.threadpool import ThreadPool

Address = tuple[int, tuple[Any, ...]]

_getaddrinfo: Callable[..., list[Any]] = monkey.get_original("socket", "getaddrinfo")


class Resolver:
    """Looks a name up once however many ask, and remembers the answer for `ttl` seconds (0: not at all; then it
    does not grow either, whatever names others think of).

    threads: look-ups that may hang at once before a further name has to wait; more than there are providers.
    getaddrinfo: what answers, blocking, as `socket.getaddrinfo` does.
    """

    def __init__(
        self, threads: int = 64, ttl: float = 30.0, getaddrinfo: Callable[..., list[Any]] = _getaddrinfo
    ) -> None:
        self._pool = ThreadPool(threads)
        self._ttl = ttl
        self._getaddrinfo = getaddrinfo
        self._known: dict[tuple[str, int], tuple[float, list[Address]]] = {}
        self._asking: dict[tuple[str, int], AsyncResult[list[Address]]] = {}

    def look_up(self, host: str, port: int, timeout: float) -> list[Address]:
        """(family, sockaddr) pairs in the system's order, one at least. Raises OSError (gaierror, TimeoutError)."""
        numeric = _numeric(host, port)
        if numeric is not None:
            return [numeric]
        key = (host, port)
        known = self._known.get(key)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        asked = self._asking.get(key)
        if asked is None:
            asked = self._asking[key] = AsyncResult()
            gevent.spawn(self._ask, key, asked)
        asked.wait(timeout=max(timeout, 0.0))
        if not asked.ready():
            raise TimeoutError(errno.ETIMEDOUT, "looking the name up took too long")
        found: list[Address] = asked.get(block=False)
        return found

    def _ask(self, key: tuple[str, int], asked: AsyncResult[list[Address]]) -> None:
        fault = OSError("the look-up was given up")
        try:
            answer = self._pool.apply(_outcome, (self._getaddrinfo, key[0], key[1]))
            if isinstance(answer, Exception):
                raise answer
            addresses = [(family, sockaddr) for family, _, _, _, sockaddr in answer]
            if addresses:
                if self._ttl:
                    self._known[key] = (time.monotonic() + self._ttl, addresses)
                asked.set(addresses)
            fault = socket.gaierror(socket.EAI_NONAME, "the name has no address")
        except OSError as raised:
            fault = raised
        except UnicodeError:
            fault = socket.gaierror(socket.EAI_NONAME, "the name cannot be looked up")
        finally:
            self._asking.pop(key, None)
            if not asked.ready():
                asked.set_exception(fault)


def _outcome(getaddrinfo: Callable[..., list[Any]], host: str, port: int) -> list[Any] | Exception:
    # An exception that leaves a gevent pool is printed by the hub as well as raised: a name that is none is no news.
    try:
        return getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except Exception as fault:  # noqa: BLE001 - raised again by who asked
        return fault


def _numeric(host: str, port: int) -> Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if address.version == 4:
        return socket.AF_INET, (host, port)
    return socket.AF_INET6, (host, port, 0, 0)
