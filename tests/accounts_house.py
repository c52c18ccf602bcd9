"""A service that has accounts and nothing else, for the tests of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
from flask import Flask

from app.domain.caller import Budget, Caller
from app.middleware import caller as caller_middleware
from app.middleware import doorway
from app.middleware.caller import require_admin, require_caller
from app.middleware.tokens import JwtCodec
from app.models import ledger
from app.models.base import Base
from app.repositories.database import Database
from app.routes import auth, docs, keys, profile, short_auth
from app.schemas import json_body
from app.schemas.base import json_reply
from app.schemas.blueprint import Blueprint
from app.services.accounts.room import Accounts, build
from app.stores.chat_state import ChatState
from app.stores.login_guard import LoginGuard

POSTGRES = "postgresql://postgres@127.0.0.1:5432"
REDIS = "redis://127.0.0.1:6379/7"
SECRET = "a secret of the tests, long enough for HS256"
ACCESS, REFRESH = 900, 30 * 86400
PASSWORD = "Correct-horse-1"

assert ledger  # spending reads its table


class House:
    """An app over a database and a runner of scripts, as bootstrap would make it."""

    def __init__(
        self,
        database: Database,
        runner: Any,
        *,
        anonymous: bool = False,
        registration_open: bool = True,
        default_budget: Budget | None = None,
        name_limit: int = 5,
        address_limit: int = 60,
        guard_runner: Any = None,
    ) -> None:
        self.database = database
        self.app = Flask("house")
        self.hot = ChatState(runner, ttl=60, max_messages=4, max_tokens=1000)
        doorway.register(self.app)
        json_body.register(self.app, max_bytes=2**20)
        self.accounts: Accounts = build(
            database,
            self.hot,
            LoginGuard(guard_runner or runner, name_limit=name_limit, address_limit=address_limit),
            JwtCodec(self.app, SECRET, longest=REFRESH),
            access_seconds=ACCESS,
            refresh_seconds=REFRESH,
            registration_open=registration_open,
            default_budget=default_budget,
        )
        caller_middleware.register(self.app, self.accounts.registry, self.accounts.guard, anonymous=anonymous)
        blueprints = [
            auth.blueprint(self.accounts.service, self.accounts.sessions),
            profile.blueprint(self.accounts.service, self.accounts.spending),
            keys.blueprint(self.accounts.keys, self.accounts.spending),
            short_auth.blueprint(self.accounts.service),
            _who(),
        ]
        docs.register(self.app, blueprints, "0")

    def client(self) -> Any:
        return self.app.test_client()


def _who() -> Blueprint:
    """What a chat route does with its caller, and nothing after it."""
    blp = Blueprint("who", __name__)

    @blp.get("/who")
    def who() -> Any:
        return _shown(require_caller())

    @blp.get("/api/admin/who")
    def admin() -> Any:
        return _shown(require_admin())

    return blp


def _shown(caller: Caller) -> Any:
    return json_reply({"user_id": caller.user_id, "role": caller.role, "key_id": caller.key_id})


def make_tables(url: str) -> None:
    database = Database(url)
    database.write(lambda session: Base.metadata.create_all(session.connection()))
    database.close()


@contextmanager
def postgres_database() -> Iterator[str]:
    """The URL of a database of its own, with tables, gone afterwards."""
    name = f"accounts_{uuid4().hex[:12]}"
    with psycopg.connect(f"{POSTGRES}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            make_tables(f"{POSTGRES}/{name}")
            yield f"{POSTGRES}/{name}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def serve(database_url: str, redis_url: str) -> None:
    """One worker on a port of its own, which it prints."""
    from gevent.pywsgi import WSGIServer

    from app.stores.group_trip import GroupTrip

    house = House(Database(database_url), GroupTrip(redis_url), guard_runner=GroupTrip(redis_url, timeout=0.5))
    house.accounts.watch.start()
    server = WSGIServer(("127.0.0.1", 0), house.app, log=None)
    server.start()
    print(server.server_port, flush=True)
    server.serve_forever()
