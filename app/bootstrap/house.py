"""What the rooms of the house are built from, and where they put what the others need of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Flask

from app.domain.catalogue import Provider
from app.domain.embedding import Embedder
from app.domain.finished import Finished
from app.domain.ratings import Rated
from app.middleware.in_flight import InFlight
from app.middleware.readiness import Probe
from app.repositories.conversations import Conversations
from app.repositories.database import Database
from app.repositories.durable import DurableCommits
from app.routes.exactly_once import ExactlyOnce
from app.schemas.blueprint import Blueprint
from app.services.accounts.room import Accounts
from app.services.catalogue.room import CatalogueRoom
from app.services.chat.attachments import Attachments
from app.services.chat.caching import ChatCache
from app.services.chat.enrichment import Enrichment
from app.services.chat.health import HealthBoard
from app.services.chat.learning import Learner
from app.services.chat.summaries import Summarizer
from app.services.files.service import FileService
from app.services.ledger.journal import Journal
from app.services.ledger.tally import Tally
from app.services.ratings.service import AverageRatings
from app.settings import Settings
from app.stores.chat_state import ChatState
from app.stores.scripts import ScriptRunner
from app.transport.fetcher import GuardedFetcher
from app.transport.guarded import Guard
from app.transport.pooled import PooledTransport
from app.utils.afterwards import Afterwards
from app.utils.lifecycle import Lifecycle
from app.utils.spooled import SpoolFolder

MB = 2**20


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
    afterwards: Afterwards


@dataclass(slots=True)
class House:
    """One worker's parts, as far as they are built.

    attachments: the enrichment that looks at files, for the chats to give it a scribe. summarizer: asks by the chats.

    enrichments: in the order in which they add to a prompt. listeners: told of each chat after its reply. forgetters:
    told (user id, public id, row id) of each conversation that was deleted. doors: blueprints that rooms bring.
    embedder: what EMBEDDINGS_MODEL says; nothing is loaded before its first use.
    at_once: told of each chat in its own greenlet, before its reply ends, and must not take a moment.
    rated: told of each rating after its reply. averages: ratings by model, for the list of models.
    kept_answers: how many answers are kept of a user, or of everybody, to be given again.
    probes: rows of /api/ready beside the stores', by name.
    learner: what was learned of models, for who chooses one.
    guard, fetcher: the way out to URLs that others give.
    """

    app: Flask
    settings: Settings
    lifecycle: Lifecycle
    stores: Stores
    accounts: Accounts
    transport: PooledTransport
    configured: dict[str, Provider]
    board: HealthBoard
    shelves: CatalogueRoom
    in_flight: InFlight
    once: ExactlyOnce
    files: FileService
    spool: SpoolFolder
    embedder: Embedder
    cache: ChatCache | None = None
    kept_answers: Callable[[str | None], int] = lambda user_id: 0
    enrichments: list[Enrichment] = field(default_factory=list)
    attachments: Attachments | None = None
    summarizer: Summarizer | None = None
    listeners: list[Callable[[Finished], None]] = field(default_factory=list)
    forgetters: list[Callable[[str, str, str], None]] = field(default_factory=list)
    doors: list[Blueprint] = field(default_factory=list)
    at_once: list[Callable[[Finished], object]] = field(default_factory=list)
    rated: list[Callable[[Rated], None]] = field(default_factory=list)
    probes: dict[str, Probe] = field(default_factory=dict)
    averages: Callable[[], AverageRatings] = dict
    learner: Learner | None = None
    guard: Guard = field(default_factory=Guard)

    @property
    def fetcher(self) -> GuardedFetcher:
        return GuardedFetcher(self.guard)
