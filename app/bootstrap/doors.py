"""The routes, by door."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from app.bootstrap.configuration import configuration_of
from app.bootstrap.house import MB, House
from app.bootstrap.templates import templates_of
from app.middleware.readiness import Readiness
from app.repositories.audit import Audit
from app.repositories.budgets import Budgets
from app.repositories.ratings import Ratings
from app.repositories.reports import Reports
from app.repositories.requests import Requests
from app.routes import (
    admin_accounts,
    admin_audit,
    admin_catalogue,
    admin_config,
    auth,
    chat,
    config,
    conversations,
    health,
    infer,
    keys,
    openai,
    openai_audio,
    openai_embeddings,
    openai_images,
    pages,
    profile,
    receipts,
    short_auth,
    short_chat,
    short_history,
    stats,
    templates,
    usage,
)
from app.schemas.blueprint import Blueprint
from app.services.chat.conversations import ConversationService
from app.services.chat.idempotency import Idempotency
from app.services.chat.orchestrator import ChatOrchestrator
from app.utils.vocabularies import Vocabularies

TOKENS = "cl100k_base"
"""The vocabulary of the tokens that clients send to be embedded."""


def doors_of(house: House, chats: ChatOrchestrator, readiness: Readiness, keyed: Idempotency) -> Iterable[Blueprint]:
    catalogue = house.shelves.catalogue
    texts = templates_of(house.stores.database)
    yield pages.blueprint()
    yield health.blueprint(readiness)
    yield auth.blueprint(house.accounts.service, house.accounts.sessions)
    yield profile.blueprint(house.accounts.service, house.accounts.spending)
    yield keys.blueprint(house.accounts.keys, house.accounts.spending)
    yield chat.blueprint(chats, house.in_flight, house.once, texts.expand)
    yield from openai.blueprints(chats, catalogue, house.in_flight, house.once)
    yield from openai_images.blueprints(chats, house.in_flight, house.once)
    largest = house.settings.max_upload_mb * MB
    yield from openai_audio.blueprints(chats, house.in_flight, house.once, largest)
    yield from openai_embeddings.blueprints(chats, house.in_flight, house.once, partial(Vocabularies().decode, TOKENS))
    yield short_auth.blueprint(house.accounts.service)
    yield short_chat.blueprint(chats, catalogue, house.in_flight, house.once, texts.expand, house.averages)
    yield infer.blueprint(chats, house.in_flight, house.once, largest)
    kept = house.stores.conversations
    keeper = ConversationService(kept, house.stores.hot, keyed, house.forgetters)
    yield conversations.blueprint(kept, keeper, house.files.some)
    yield short_history.blueprint(kept)
    yield templates.blueprint(texts)
    yield receipts.blueprint(Requests(house.stores.database))
    yield usage.blueprint(Reports(house.stores.database))
    yield admin_accounts.blueprint(house.accounts.admin, Budgets(house.stores.database), house.accounts.spending)
    yield admin_audit.blueprint(Audit(house.stores.database))
    yield admin_catalogue.blueprint(house.shelves.models, house.shelves.keys, catalogue)
    yield admin_config.blueprint(configuration_of(house))
    yield config.blueprint(house.shelves.configured)
    yield stats.blueprint(
        Reports(house.stores.database),
        Ratings(house.stores.database),
        lambda: house.board.facts(catalogue.snapshot().pools),
        house.kept_answers,
    )
    yield from house.doors
