"""What every reply tells a browser not to do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from flask_cors import CORS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flask import Flask, Response

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; media-src 'self' blob:; manifest-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
EXPOSED = [
    "x-request-id",
    "x-model",
    "x-provider",
    "x-cache",
    "x-attempts",
    "x-cost-usd",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
    "retry-after",
    "idempotent-replayed",
    "x-degraded",
]
_PUBLIC = ("/static/", "/docs")
_PUBLIC_EXACT = frozenset({"/", "/openapi.json"})


def is_public(path: str) -> bool:
    """Whether what stands at this path is the same for everybody and needs no caller."""
    return path.startswith(_PUBLIC) or path in _PUBLIC_EXACT


def add_security_headers(path: str, headers: list[tuple[str, str]]) -> None:
    """Complete a reply's headers in place. What a handler has set itself stays."""
    cached = policed = html = False
    for name, value in headers:
        lower = name.lower()
        if lower == "cache-control":
            cached = True
        elif lower == "content-security-policy":
            policed = True
        elif lower == "content-type":
            html = value.startswith(("text/html", "application/xhtml"))
    headers.append(("X-Content-Type-Options", "nosniff"))
    headers.append(("Referrer-Policy", "no-referrer"))
    if not cached and not is_public(path):
        headers.append(("Cache-Control", "no-store"))
    if html and not policed:
        headers.append(("Content-Security-Policy", CSP))


def register_cors(app: Flask, origins: Sequence[str]) -> None:
    """Answer these origins, each matched whole; none means that no CORS header is ever sent.

    `*` is everybody, and then never with credentials. Named origins may send the refresh cookie.
    """
    if not origins:
        return
    everybody = "*" in origins
    # As patterns, since flask-cors takes an origin with brackets (an IPv6 host) for a regular expression.
    exact = [re.compile(re.escape(origin) + r"\Z") for origin in origins]
    CORS(
        app,
        origins="*" if everybody else exact,
        supports_credentials=not everybody,
        send_wildcard=everybody,
        always_send=False,
        intercept_exceptions=False,
        expose_headers=EXPOSED,
        max_age=600,
    )
    if not everybody:
        app.after_request(_vary_by_origin)


def _vary_by_origin(response: Response) -> Response:
    """A reply to a stranger differs from that to a friend, and a shared cache must keep them apart.

    flask-cors says so only to friends.
    """
    response.vary.add("Origin")
    return response
