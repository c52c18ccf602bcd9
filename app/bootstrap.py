"""The composition root: settings → stores → transport → catalogue → services → doors. The only reader of settings."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, Request
from flask.sessions import SessionInterface, SessionMixin

from app.domain.caller import Budget
from app.domain.catalogue import Provider
from app.domain.errors import Unavailable
from app.domain.hot import Epochs
from app.domain.policies.selection import STRATEGIES
from app.factories.catalogue import CATALOGUE
from app.factories.llm_service_factory import LLMServiceFactory
from app.middleware import caller, doorway, http_hygiene, route_limits
from app.middleware.in_flight import InFlight
from app.middleware.readiness import Readiness, State
from app.middleware.tokens import JwtCodec
from app.repositories.audit import Audit
from app.repositories.budgets import Budgets
from app.repositories.conversations import Conversations
from app.repositories.database import Database
from app.repositories.durable import DurableCommits, Replay
from app.repositories.group_commit import GroupCommit
from app.repositories.idempotency import IdempotencyRows
from app.repositories.migrate import at_head
from app.repositories.model_rows import ModelRows
from app.repositories.reports import Reports
from app.repositories.requests import Requests
from app.repositories.spool import Spool
from app.routes import (
    admin_accounts,
    admin_audit,
    admin_catalogue,
    auth,
    chat,
    conversations,
    docs,
    health,
    keys,
    metrics,
    openai,
    pages,
    profile,
    receipts,
    short_auth,
    short_chat,
    short_history,
    stats,
    usage,
)
from app.routes.exactly_once import ExactlyOnce
from app.schemas import json_body
from app.schemas.blueprint import Blueprint
from app.services.accounts import room as accounts_room
from app.services.accounts.room import Accounts
from app.services.catalogue import room as catalogue_room
from app.services.catalogue.catalogue import Catalogue
from app.services.catalogue.discovery import Discovery
from app.services.catalogue.providers import provider
from app.services.catalogue.room import CatalogueRoom
from app.services.catalogue.withdrawals import Withdrawals
from app.services.chat.conversations import ConversationService
from app.services.chat.entry import Entry
from app.services.chat.failover import Failover, RetryRules
from app.services.chat.health import HealthBoard
from app.services.chat.idempotency import Idempotency
from app.services.chat.orchestrator import ChatOrchestrator
from app.services.chat.recall import Recall
from app.services.chat.selector import LLMSelectorService
from app.services.chat.settlement import Settlement
from app.services.chat.timing import Timeouts
from app.services.ledger.away import Away
from app.services.ledger.bounds import BoundsBook
from app.services.ledger.journal import Journal
from app.services.ledger.ledger import Ledger
from app.services.ledger.recovery import Recovery
from app.services.ledger.tally import Tally
from app.services.ledger.treasury import Treasury
from app.settings import Settings
from app.stores import route_counts
from app.stores.chat_state import ChatState
from app.stores.embedded import EmbeddedRedis
from app.stores.group_trip import GroupTrip
from app.stores.health_state import HealthState
from app.stores.idempotency import HotClaims
from app.stores.login_guard import LoginGuard
from app.stores.scripts import ScriptRunner
from app.transport.pooled import PooledTransport
from app.utils import logs
from app.utils.lifecycle import Lifecycle
from app.utils.metrics import Metrics
from app.utils.sealing import Sealer

VERSION = "0.1.0"
MB = 2**20
REPLAY_TIMEOUT = 3.0
"""Seconds for one group of what the database missed; nobody waits for it."""
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Stores:
    """What is kept: SQL, Redis or its embedded stand-in, and the classes that speak to them."""

    database: Database
    redis: ScriptRunner
    hot: ChatState
    commits: DurableCommits
    journal: Journal
    tally: Tally
    conversations: Conversations


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


def build(settings: Settings | None = None) -> Flask:
    """The WSGI application of one process; nothing in it may be shared across a fork."""
    settings = settings or load_settings()
    app = App(__name__, static_folder=None)
    lifecycle = app.extensions["lifecycle"] = Lifecycle()
    written = _logs(settings, lifecycle)
    stores = _stores(settings, lifecycle)
    accounts = _accounts(app, settings, stores, lifecycle)
    transport = PooledTransport(connect_timeout=settings.connect_timeout, pool_size=settings.max_streams)
    configured = providers(settings)
    board = HealthBoard(HealthState(stores.redis))
    shelves = _catalogue(settings, stores, accounts, configured, board, transport)
    catalogue = shelves.catalogue
    discovery = Discovery(transport, catalogue, configured.values())
    chats = _chats(settings, stores, accounts, catalogue, board, transport)
    readiness = _readiness(settings, stores, lifecycle)
    _middleware(app, settings, accounts, lifecycle, written)
    keyed = Idempotency(HotClaims(stores.redis), IdempotencyRows(stores.database))
    in_flight = InFlight(lifecycle)
    once = ExactlyOnce(keyed, in_flight, longest_wait=settings.stream_timeout)
    doors = _doors(stores, accounts, shelves, chats, board, readiness, in_flight, keyed, once)
    numbers = metrics.blueprint(stores.tally, stores.hot.in_flight, readiness, settings.metrics_token)
    docs.register(app, [*doors, numbers], VERSION)
    _route_limits(app, settings)
    _shell(app, settings)
    accounts.watch.start()
    keyed.start()
    discovery.start()
    lifecycle.on_close("transport", transport.close)
    lifecycle.on_close("discovery", discovery.stop)
    lifecycle.on_close("idempotency keys", keyed.stop)
    return app


def _route_limits(app: Flask, settings: Settings) -> None:
    if settings.rate_limit_enabled:
        url = settings.redis_url
        route_limits.register(app, settings.routes_per_minute, redis_url=url, redis_options=route_counts.options())


def _shell(app: Flask, settings: Settings) -> None:
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


def load_settings() -> Settings:
    """From the environment and `.env` beside the code."""
    root = Path(__file__).resolve().parents[1]
    return Settings.load(os.environ, root / ".env", root)


def _logs(settings: Settings, lifecycle: Lifecycle) -> logs.Logs:
    folder = settings.root / settings.log_dir
    written = logs.configure(folder, settings.log_level, max_bytes=settings.log_max_mb * MB, keep=settings.log_keep)
    lifecycle.on_close("logs", written.close)
    return written


def _stores(settings: Settings, lifecycle: Lifecycle) -> Stores:
    database = Database(settings.database_url)
    redis: ScriptRunner = GroupTrip(settings.redis_url) if settings.redis_url else EmbeddedRedis()
    spool = Spool(settings.instance / "spool", settings.spool_max_mb * MB)
    commits = DurableCommits(GroupCommit(database), spool)
    hot = ChatState(
        redis,
        ttl=settings.conversation_ttl,
        max_messages=settings.conversation_max_messages,
        max_tokens=settings.conversation_max_tokens,
    )
    lifecycle.on_close("database", database.close)
    lifecycle.on_close("redis", redis.close)
    lifecycle.on_close("commits", commits.close)
    replay = Replay(spool, GroupCommit(database, timeout=REPLAY_TIMEOUT), hot.forget_conversation)
    replay.start(commits)
    lifecycle.on_close("replay", replay.stop)
    # A crash may misjudge a slice: a quarter is told late, the rest is for what was still on its way to us.
    journal = Journal(settings.instance / "journal", max(1, settings.lease_tokens // 4))
    tally = Tally(Metrics())
    tally.start()
    lifecycle.on_close("metrics", tally.stop)
    recovery = Recovery(journal, commits, hot, lambda: not commits.pending, tally.recovered)
    recovery.start()
    lifecycle.on_close("journal", journal.close)
    lifecycle.on_close("recovery", recovery.stop)
    return Stores(database, redis, hot, commits, journal, tally, Conversations(database))


def _accounts(app: Flask, settings: Settings, stores: Stores, lifecycle: Lifecycle) -> Accounts:
    refresh_seconds = settings.jwt_refresh_days * 86_400
    access_seconds = settings.jwt_access_minutes * 60
    budget = settings.default_budget
    built = accounts_room.build(
        stores.database,
        stores.hot,
        _guard(settings, stores, lifecycle),
        JwtCodec(app, settings.jwt_secret_key or "", longest=max(refresh_seconds, access_seconds)),
        access_seconds=access_seconds,
        refresh_seconds=refresh_seconds,
        registration_open=settings.registration == "open",
        default_budget=None if budget is None else Budget(budget, "month"),
    )
    lifecycle.on_close("epoch watch", built.watch.stop)
    return built


def _guard(settings: Settings, stores: Stores, lifecycle: Lifecycle) -> LoginGuard:
    """With a connection of its own: a storm of sign-ins is not mistaken for Redis being away, as at a chat's 50 ms."""
    if settings.redis_url is None:
        return LoginGuard(stores.redis)
    patient = GroupTrip(settings.redis_url, timeout=0.5)
    lifecycle.on_close("redis of the guard", patient.close)
    return LoginGuard(patient)


def providers(settings: Settings) -> dict[str, Provider]:
    """Every provider of the catalogue as the settings have it."""
    found: dict[str, Provider] = {}
    for integration, row in CATALOGUE.items():
        said = settings.providers.get(integration)
        found[integration] = provider(
            row,
            base_url=said.base_url if said else row.base_url,
            keys=said.api_keys if said else (),
            default_model=said.model if said else None,
            configured=said.configured if said else True,
        )
    return found


def _catalogue(
    settings: Settings,
    stores: Stores,
    accounts: Accounts,
    configured: dict[str, Provider],
    board: HealthBoard,
    transport: PooledTransport,
) -> CatalogueRoom:
    former = settings.secret_key_previous
    built = catalogue_room.build(
        stores.database,
        configured,
        LLMServiceFactory(transport),
        Sealer(settings.secret_key or "", *([former] if former else [])),
        lambda: stores.hot.bump("catalogue"),
        board.renewed,
    )
    accounts.watch.listeners.append(lambda epochs: built.news.pay())
    return built


def _chats(
    settings: Settings,
    stores: Stores,
    accounts: Accounts,
    catalogue: Catalogue,
    board: HealthBoard,
    transport: PooledTransport,
) -> ChatOrchestrator:
    if settings.strategy not in STRATEGIES:
        log.warning("STRATEGY=%s is not served yet; auto goes by priority", settings.strategy)
    timeouts = Timeouts(
        request=settings.request_timeout,
        stream=settings.stream_timeout,
        first_token=settings.first_token_timeout,
        stall=settings.stall_timeout,
        reply=settings.reply_timeout,
    )

    away = Away(settings.redis_down, settings.web_concurrency, accounts.spending)
    bounds = BoundsBook(
        settings.rate_limit_per_minute if settings.rate_limit_enabled else None, Budgets(stores.database).installation
    )

    def saw(epochs: Epochs) -> None:
        accounts.registry.saw_epoch(epochs.auth)
        catalogue.saw_epoch(epochs.catalogue)
        board.saw_epoch(epochs.health)

    def beat(epochs: Epochs) -> None:
        saw(epochs)
        bounds.saw_epoch(epochs.auth)
        stores.hot.flush_dirty()
        board.flush_uses()

    accounts.watch.listeners.append(beat)

    return ChatOrchestrator(
        LLMSelectorService(catalogue, board, settings.strategy),
        Entry(
            Treasury(stores.hot, accounts.spending, away),
            bounds,
            saw,
            lease_ms=int((settings.stream_timeout + settings.shutdown_timeout) * 1000),
            slice_tokens=settings.lease_tokens,
            intends=stores.journal.intends,
        ),
        Recall(stores.conversations, settings.conversation_max_messages, settings.conversation_max_tokens),
        Failover(
            LLMServiceFactory(transport),
            catalogue,
            board,
            timeouts,
            RetryRules(settings.retry_budget, settings.retry_after_wait),
            Withdrawals(catalogue, ModelRows(stores.database), lambda: stores.hot.bump("catalogue")).tell,
        ),
        Settlement(Ledger(stores.commits, stores.hot, stores.tally), stores.journal),
        accounts.registry.confirm,
        slice_deltas=settings.lease_tokens,
    )


def _readiness(settings: Settings, stores: Stores, lifecycle: Lifecycle) -> Readiness:
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


def _middleware(app: Flask, settings: Settings, accounts: Accounts, lifecycle: Lifecycle, written: logs.Logs) -> None:
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


def _doors(
    stores: Stores,
    accounts: Accounts,
    shelves: CatalogueRoom,
    chats: ChatOrchestrator,
    board: HealthBoard,
    readiness: Readiness,
    in_flight: InFlight,
    keyed: Idempotency,
    once: ExactlyOnce,
) -> Iterable[Blueprint]:
    catalogue = shelves.catalogue
    yield pages.blueprint()
    yield health.blueprint(readiness)
    yield auth.blueprint(accounts.service, accounts.sessions)
    yield profile.blueprint(accounts.service, accounts.spending)
    yield keys.blueprint(accounts.keys, accounts.spending)
    yield chat.blueprint(chats, in_flight, once)
    yield from openai.blueprints(chats, catalogue, in_flight, once)
    yield short_auth.blueprint(accounts.service)
    yield short_chat.blueprint(chats, catalogue, in_flight, once)
    yield conversations.blueprint(stores.conversations, ConversationService(stores.conversations, stores.hot, keyed))
    yield short_history.blueprint(stores.conversations)
    yield receipts.blueprint(Requests(stores.database))
    yield usage.blueprint(Reports(stores.database))
    yield admin_accounts.blueprint(accounts.admin, Budgets(stores.database), accounts.spending)
    yield admin_audit.blueprint(Audit(stores.database))
    yield admin_catalogue.blueprint(shelves.models, shelves.keys, catalogue)
    yield stats.blueprint(Reports(stores.database), lambda: board.facts(catalogue.snapshot().pools))
