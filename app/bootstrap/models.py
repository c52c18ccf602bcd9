"""Providers, their models, their keys."""

from __future__ import annotations

from app.bootstrap.house import Stores
from app.domain.catalogue import Provider
from app.factories.catalogue import CATALOGUE
from app.factories.llm_service_factory import LLMServiceFactory
from app.services.accounts.room import Accounts
from app.services.catalogue import room as catalogue_room
from app.services.catalogue.providers import provider
from app.services.catalogue.room import CatalogueRoom
from app.services.chat.health import HealthBoard
from app.settings import Settings
from app.transport.pooled import PooledTransport
from app.utils.sealing import Sealer


def providers(settings: Settings) -> dict[str, Provider]:
    """Every provider of the catalogue as the settings have it."""
    found: dict[str, Provider] = {}
    for integration, row in CATALOGUE.items():
        if row.wire == "pollinations":
            address = settings.pollinations_base_url
            found[integration] = provider(
                row, base_url=address or row.base_url, keys=(), default_model=None, configured=address is not None
            )
            continue
        said = settings.providers.get(integration)
        found[integration] = provider(
            row,
            base_url=said.base_url if said else row.base_url,
            keys=said.api_keys if said else (),
            default_model=said.model if said else None,
            configured=said.configured if said else True,
        )
    return found


def catalogue_of(
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
