"""How a caller stands by their limits, as the headers of a chat's reply tell it."""

from __future__ import annotations

import math

from app.domain.caller import Quota, Standing


def limit_headers(standing: Standing) -> dict[str, str]:
    """`x-ratelimit-*` of requests, and of tokens where a limit of tokens binds the caller."""
    headers: dict[str, str] = {}
    if standing.requests is not None:
        _add(headers, "requests", standing.requests)
    if standing.tokens is not None:
        _add(headers, "tokens", standing.tokens)
    return headers


def _add(headers: dict[str, str], what: str, quota: Quota) -> None:
    headers[f"x-ratelimit-limit-{what}"] = str(quota.limit)
    headers[f"x-ratelimit-remaining-{what}"] = str(quota.left)
    headers[f"x-ratelimit-reset-{what}"] = str(math.ceil(quota.reset))
