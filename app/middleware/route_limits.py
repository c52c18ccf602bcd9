"""Routes that are no chat: so many calls a minute and caller, by Flask-Limiter.

Chats have limits of their own in the script that admits them, and nothing of this runs for them: 225 microseconds a
call are a third of what a chat may cost.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any

from flask import request
from flask_limiter import Limiter, RateLimitExceeded

from app.domain.errors import RateLimited
from app.middleware.caller import require_caller
from app.schemas.document import PUBLIC

if TYPE_CHECKING:
    from flask import Flask
    from werkzeug.routing import Rule

CHATS = frozenset({"/llm/chat", "/chat", "/v1/chat/completions", "/openai/v1/chat/completions"})
#: Asked by load balancers and monitors, which are many behind one address.
WATCHED = frozenset({"/api/health", "/api/ready", "/metrics"})
#: The page and its files, the same bytes for everybody, out of memory: a first visit asks for some fifty of them.
PAGE = ("/static/", "/c/", "/app/")
WINDOW = 60.0
_WHO = "onedoor.routes_caller"


def register(app: Flask, a_minute: int, *, redis_url: str | None, redis_options: Mapping[str, Any]) -> None:
    """Guard the routes that are registered by now. Without Redis, or while it is away, each worker counts alone."""
    limiter = Limiter(
        key_func=lambda: request.environ[_WHO],
        strategy="moving-window",
        storage_uri=redis_url or "memory://",
        storage_options=dict(redis_options) if redis_url else {},
        in_memory_fallback_enabled=True,
    )
    limiter.init_app(app)
    # Its hooks would run at every chat as well.
    for hooks in (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs):
        hooks[None].pop()
    # One scope: a caller's calls of all routes together.
    count = limiter.shared_limit(f"{a_minute} per minute", scope="routes")
    counted = [rule for rule in app.url_map.iter_rules() if not rule.rule.startswith(PAGE)]
    guarded = {rule.endpoint: rule for rule in counted if rule.rule not in CHATS | WATCHED}
    for endpoint, rule in guarded.items():
        view = count(app.view_functions[endpoint])
        app.view_functions[endpoint] = _guarded(view, limiter, _is_public(rule))


def _is_public(rule: Rule) -> bool:
    methods = {method.lower() for method in rule.methods or ()} - {"head", "options"}
    return any((method, rule.rule) in PUBLIC for method in methods)


def _guarded(view: Callable[..., Any], limiter: Limiter, public: bool) -> Callable[..., Any]:
    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        # Who calls is asked before the library, which takes every error for its store's.
        request.environ[_WHO] = f"ip:{request.remote_addr}" if public else f"user:{require_caller().user_id}"
        try:
            return view(*args, **kwargs)
        except RateLimitExceeded:
            raise _refusal(limiter) from None

    return guarded


def _refusal(limiter: Limiter) -> RateLimited:
    current = limiter.current_limit
    wait = min(max(current.reset_at - time.time(), 1.0), WINDOW) if current else 1.0
    return RateLimited(
        "Too many requests a minute; chats are counted apart.", details={"reason": "requests"}, retry_after=wait
    )
