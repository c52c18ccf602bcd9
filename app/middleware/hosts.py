"""Which hosts are answered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from app.domain.errors import InvalidRequest

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment


class Hosts:
    """allowed: `name`, `*.name` for names below it, `name:port`; none given means any."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._names = frozenset(name for name in allowed if not name.startswith("*."))
        self._below = tuple(name[1:] for name in allowed if name.startswith("*."))
        self._answers = lru_cache(1024)(self._is_allowed)

    def check(self, environ: WSGIEnvironment) -> None:
        """Raise InvalidRequest for a request without the Host it owes, or with one that is not answered."""
        host = environ.get("HTTP_HOST")
        if not host:
            if environ.get("SERVER_PROTOCOL") != "HTTP/1.0":
                raise InvalidRequest("the Host header is missing", field="Host")
            host = ""
        if (self._names or self._below) and not self._answers(host):
            raise InvalidRequest("this host is not served here", field="Host")

    def _is_allowed(self, host: str) -> bool:
        host = host.lower()
        name = host if host.endswith("]") else host.rpartition(":")[0] or host
        name = name.removesuffix(".")
        return host in self._names or name in self._names or name.endswith(self._below)
