"""The composition root: settings → stores → transport → catalogue → services → doors. The only reader of settings.

Each room of the house is put together in a file beside this one and reads as a table of contents.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from flask import Flask

from app.bootstrap.cache import cache
from app.bootstrap.chats import chats_of
from app.bootstrap.doors import doors_of
from app.bootstrap.embeddings import embedder_of
from app.bootstrap.files import files_of, files_room, spool_of
from app.bootstrap.house import House
from app.bootstrap.media import media_room
from app.bootstrap.memory import memory
from app.bootstrap.models import catalogue_of, providers
from app.bootstrap.outbound import outbound
from app.bootstrap.people import accounts_of
from app.bootstrap.prompt_log import prompt_log
from app.bootstrap.ratings import ratings
from app.bootstrap.routing import routing
from app.bootstrap.search import web_search
from app.bootstrap.server import App, limit_routes, middleware, readiness_of, shell
from app.bootstrap.stores import logs_of, stores_of
from app.bootstrap.summaries import summaries
from app.middleware.in_flight import InFlight
from app.repositories.idempotency import IdempotencyRows
from app.routes import docs, metrics
from app.routes.exactly_once import ExactlyOnce
from app.services.catalogue.discovery import Discovery
from app.services.chat.health import HealthBoard
from app.services.chat.idempotency import Idempotency
from app.settings import Settings
from app.stores.health_state import HealthState
from app.stores.idempotency import HotClaims
from app.transport.pooled import PooledTransport
from app.utils.lifecycle import Lifecycle

VERSION = "0.1.0"
#: Each adds its enrichments, listeners and doors to the house, before the chats are built. In this order: pictures
#: that are pointed to are fetched before files are looked at; the search is last, since a model may decide on it only
#: while nobody else's words stand in the prompt.
ROOMS: tuple[Callable[[House], None], ...] = (
    outbound,
    files_room,
    media_room,
    memory,
    summaries,
    ratings,
    prompt_log,
    cache,
    web_search,
    routing,
)


def build(settings: Settings | None = None) -> Flask:
    """The WSGI application of one process; nothing in it may be shared across a fork."""
    settings = settings or load_settings()
    app = App(__name__, static_folder=None)
    lifecycle = app.extensions["lifecycle"] = Lifecycle()
    written = logs_of(settings, lifecycle)
    stores = stores_of(settings, lifecycle)
    stores.tally.watches("app", lambda: written.lost)
    accounts = accounts_of(app, settings, stores, lifecycle)
    transport = PooledTransport(connect_timeout=settings.connect_timeout, pool_size=settings.max_streams)
    configured = providers(settings)
    board = HealthBoard(HealthState(stores.redis))
    shelves = catalogue_of(settings, stores, accounts, configured, board, transport)
    discovery = Discovery(transport, shelves.catalogue, configured.values())
    readiness = readiness_of(settings, stores, lifecycle)
    middleware(app, settings, accounts, lifecycle, written)
    keyed = Idempotency(HotClaims(stores.redis), IdempotencyRows(stores.database))
    in_flight = InFlight(lifecycle)
    once = ExactlyOnce(keyed, in_flight, longest_wait=settings.stream_timeout)
    spool = spool_of(settings)
    files = files_of(settings, stores.database, spool, lifecycle)
    embedder = embedder_of(settings, configured, transport, lifecycle)
    house = House(
        app,
        settings,
        lifecycle,
        stores,
        accounts,
        transport,
        configured,
        board,
        shelves,
        in_flight,
        once,
        files,
        spool,
        embedder,
    )
    for room in ROOMS:
        room(house)
    for name, probe in house.probes.items():
        readiness.watch(name, probe)
    doors = doors_of(house, chats_of(house), readiness, keyed)
    numbers = metrics.blueprint(stores.tally, stores.hot.in_flight, readiness, settings.metrics_token)
    docs.register(app, [*doors, numbers], VERSION)
    limit_routes(app, settings)
    shell(app, settings)
    accounts.watch.start()
    keyed.start()
    discovery.start()
    lifecycle.on_close("transport", transport.close)
    lifecycle.on_close("discovery", discovery.stop)
    lifecycle.on_close("idempotency keys", keyed.stop)
    return app


def load_settings() -> Settings:
    """From the environment and `.env` beside the code."""
    root = Path(__file__).resolve().parents[2]
    return Settings.load(os.environ, root / ".env", root)
