"""What stands around every request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Request
from flask.sessions import SessionInterface, SessionMixin

from app.bootstrap.house import MB, Stores
from app.domain.errors import Unavailable
from app.middleware import caller, doorway, http_hygiene, route_limits
from app.middleware.readiness import Readiness, State
from app.repositories.migrate import at_head
from app.schemas import json_body
from app.services.accounts.room import Accounts
from app.settings import Settings
from app.stores import route_counts
from app.utils import logs
from app.utils.lifecycle import Lifecycle


class NoSessions(SessionInterface):
    """Nobody here has a session in a cookie; Flask's own looks for one at each request."""

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        return self.make_null_session(app)

    def is_null_session(self, obj: object) -> bool:
        return True


class App(Flask):
    """Flask without what costs and serves nobody: sessions and async views (8 of 60 microseconds a request)."""

    session_interface = NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func


def limit_routes(app: Flask, settings: Settings) -> None:
    if settings.rate_limit_enabled:
        url = settings.redis_url
        route_limits.register(app, settings.routes_per_minute, redis_url=url, redis_options=route_counts.options())


def shell(app: Flask, settings: Settings) -> None:
    """`flask --app app shell` finds `db`, a session over the same tables; the service itself never uses it."""

    def context() -> dict[str, object]:
        from flask_sqlalchemy import SQLAlchemy

        from app.models import Base
        from app.repositories.database import parse_url

        app.config["SQLALCHEMY_DATABASE_URI"] = parse_url(settings.database_url)
        db = SQLAlchemy(metadata=Base.metadata)
        db.init_app(app)
        return {"db": db, **{mapper.class_.__name__: mapper.class_ for mapper in Base.registry.mappers}}

    app.shell_context_processor(context)


def readiness_of(settings: Settings, stores: Stores, lifecycle: Lifecycle) -> Readiness:
    def database() -> tuple[State, str]:
        stores.database.ping()
        return "ok", "answers"

    def schema() -> bool:
        try:
            return not at_head(stores.database)
        except Unavailable:
            return False  # the database's own row tells it

    def redis() -> tuple[State, str]:
        stores.redis.command("PING")
        return "ok", "answers" if settings.redis_url else "embedded"

    return Readiness(
        {"database": database, "redis": redis},
        {
            "draining": lambda: lifecycle.draining,
            "the spool is full": lambda: stores.commits.full,
            "the database's schema is not this code's": schema,
        },
        redis_required=settings.redis_down == "closed",
    )


def middleware(app: Flask, settings: Settings, accounts: Accounts, lifecycle: Lifecycle, written: logs.Logs) -> None:
    json_body.register(app, max_bytes=settings.max_body_mb * MB)
    caller.register(app, accounts.registry, accounts.guard, anonymous=settings.anonymous_access)
    http_hygiene.register(
        app,
        lifecycle,
        max_streams=settings.max_streams,
        max_body_bytes=settings.max_body_mb * MB,
        body_seconds=settings.body_timeout,
        allowed_hosts=settings.allowed_hosts,
        trusted_proxies=settings.trusted_proxies,
    )
    doorway.register(
        app,
        cors_origins=settings.cors_origins,
        write_access=written.write_access,
        max_body_bytes=settings.max_body_mb * MB,
    )
