"""The chat itself."""

from __future__ import annotations

from app.bootstrap.house import House
from app.domain.finished import Finished
from app.domain.hot import Epochs
from app.domain.policies.token_family import vocabulary_of
from app.factories.llm_service_factory import LLMServiceFactory
from app.factories.seed_models import SEED_MODELS
from app.repositories.budgets import Budgets
from app.repositories.model_rows import ModelRows
from app.services.catalogue.withdrawals import Withdrawals
from app.services.chat.album import Album
from app.services.chat.counting import Counting
from app.services.chat.entry import Entry
from app.services.chat.failover import Failover, RetryRules
from app.services.chat.orchestrator import ChatOrchestrator
from app.services.chat.recall import Recall
from app.services.chat.scribe import Scribe
from app.services.chat.selector import LLMSelectorService
from app.services.chat.settlement import Settlement
from app.services.chat.timing import Timeouts
from app.services.ledger.away import Away
from app.services.ledger.bounds import BoundsBook
from app.services.ledger.ledger import Ledger
from app.services.ledger.treasury import Treasury
from app.utils.vocabularies import Vocabularies


def counting_of(house: House) -> Counting:
    """Vocabularies of the models that can answer now are loaded here: later it would hold up whoever asks first."""
    vocabularies = Vocabularies()
    configured = {row.integration for row in house.configured.values() if row.credentials}
    names = {vocabulary_of(model.name) for model in SEED_MODELS if model.chat and model.integration in configured}
    vocabularies.load(sorted(name for name in names if name is not None))
    return Counting(vocabularies)


def chats_of(house: House) -> ChatOrchestrator:
    settings, stores, accounts, board = house.settings, house.stores, house.accounts, house.board
    catalogue, transport = house.shelves.catalogue, house.transport
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

    def finished(ended: Finished) -> None:
        for witness in house.at_once:
            witness(ended)
        for listener in house.listeners:
            stores.afterwards.put(listener, ended)

    selector = LLMSelectorService(catalogue, board, settings.strategy, house.learner)
    failover = Failover(
        LLMServiceFactory(transport),
        catalogue,
        board,
        timeouts,
        RetryRules(settings.retry_budget, settings.retry_after_wait),
        Withdrawals(catalogue, ModelRows(stores.database), lambda: stores.hot.bump("catalogue")).tell,
    )
    if house.attachments is not None:
        house.attachments.scribe = Scribe(selector, failover)
    chats = ChatOrchestrator(
        selector,
        Entry(
            Treasury(stores.hot, accounts.spending, away),
            bounds,
            saw,
            lease_ms=int((settings.stream_timeout + settings.shutdown_timeout) * 1000),
            slice_tokens=settings.lease_tokens,
            intends=stores.journal.intends,
            counting=counting_of(house).of,
        ),
        Recall(stores.conversations, settings.conversation_max_messages, settings.conversation_max_tokens),
        failover,
        Settlement(Ledger(stores.commits, stores.hot, stores.tally), stores.journal, finished),
        accounts.registry.confirm,
        slice_deltas=settings.lease_tokens,
        enrichments=house.enrichments,
        album=Album(house.files),
        cache=house.cache,
    )
    if house.summarizer is not None:
        house.summarizer.asks = chats.run
    return chats
