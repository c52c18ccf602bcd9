"""How the library that counts calls of routes is to speak to Redis."""

from __future__ import annotations

from typing import Any

from redis.backoff import NoBackoff
from redis.retry import Retry

PREFIX = "v1:routes"
SECONDS = 0.25


def options() -> dict[str, Any]:
    """redis-py's own retries would make a quarter of a second into many."""
    return {
        "key_prefix": PREFIX,
        "socket_timeout": SECONDS,
        "socket_connect_timeout": SECONDS,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
