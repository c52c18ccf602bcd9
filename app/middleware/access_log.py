"""One line a request: what came, how it ended, how long it took. Never a body, a token or a key."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

import orjson

from app.middleware.chat_facts import ENVIRON_KEY as CHAT_FACTS
from app.middleware.request_id import ENVIRON_KEY

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

WriteLine = Callable[[bytes], None]

# Only what is known to be harmless is shown; a secret can stand under any name, and `q` is somebody's words.
_SHOWN = frozenset({"limit", "cursor", "before", "format", "model", "ignore_cache", "group_by", "from", "to"})
_KEYLIKE = re.compile(r"sk-[A-Za-z0-9_\-]+|eyJ[A-Za-z0-9_\-]{10,}[A-Za-z0-9_\-.]*")
_MAX_QUERY = 1024


class AccessLog:
    """Writes a line a request: escaped JSON that ends in LF and is shorter than 8 kB."""

    def __init__(self, write: WriteLine) -> None:
        self._write = write
        self._second = -1
        self._prefix = ""

    def record(self, environ: WSGIEnvironment, status: int, seconds: float) -> None:
        """seconds: from the request's head to the close of its reply."""
        path: str = environ.get("PATH_INFO", "")
        entry: dict[str, object] = {
            "time": self._now(),
            "event": "request",
            "request_id": environ[ENVIRON_KEY],
            "method": environ.get("REQUEST_METHOD", "")[:16],
            "path": path if len(path) < 32 and path.isascii() and "-" not in path else _clean(path, 1024),
            "status": status,
            "ms": round(seconds * 1000, 1),
            "remote": environ.get("REMOTE_ADDR", ""),
        }
        if query := environ.get("QUERY_STRING"):
            entry["query"] = masked_query(query)
        if agent := environ.get("HTTP_USER_AGENT"):
            entry["agent"] = _clean(agent, 200)
        if chat := environ.get(CHAT_FACTS):
            entry["chat"] = chat
        self._write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))

    def _now(self) -> str:
        """RFC 3339 with milliseconds; made anew once a second, since strftime costs more than the rest."""
        now = time.time()
        second = int(now)
        if second != self._second:
            self._second, self._prefix = second, time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._prefix}{int((now - second) * 1000):03d}Z"


def masked_query(query: str) -> str:
    """The query with every value hidden but those of harmless names."""
    pairs = []
    for pair in query[: 4 * _MAX_QUERY].split("&"):
        name, equals, value = pair.partition("=")
        if equals and unquote_plus(name) not in _SHOWN:
            value = "***"
        elif not equals:
            name = "***"
        pairs.append(f"{name}{equals}{value}")
    return _clean("&".join(pairs), _MAX_QUERY)


def _clean(text: str, limit: int) -> str:
    """Without key-like words, shortened. Environ text is Latin-1 (PEP 3333): every byte can be written."""
    return _KEYLIKE.sub("***", text[: 2 * limit])[:limit]
