"""The catalogue room, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.domain.catalogue import Provider
from app.factories.llm_service_factory import LLMServiceFactory
from app.repositories.database import Database
from app.repositories.model_rows import ModelRows
from app.repositories.provider_keys import ProviderKeys
from app.services.catalogue.admin import ModelAdmin
from app.services.catalogue.catalogue import Catalogue
from app.services.catalogue.configured import ConfiguredModels
from app.services.catalogue.key_store import KeyStore
from app.services.catalogue.news import News
from app.services.catalogue.probe import Probe
from app.utils.sealing import Sealer


@dataclass(frozen=True, slots=True)
class CatalogueRoom:
    """What the doors and the chat need of it. `news.pay` belongs to what is done again and again."""

    catalogue: Catalogue
    keys: KeyStore
    models: ModelAdmin
    configured: ConfiguredModels
    news: News


def build(
    database: Database,
    providers: Mapping[str, Provider],
    services: LLMServiceFactory,
    sealer: Sealer,
    bump: Callable[[], object],
    renewed: Callable[[str], None],
) -> CatalogueRoom:
    """bump: raises the catalogue's counter in Redis. renewed: forgets what was held against a key (by id)."""
    rows = ModelRows(database)
    catalogue = Catalogue(rows.all, providers, lambda: keys.credentials())
    news = News(catalogue, bump)
    keys = KeyStore(ProviderKeys(database), sealer, news.tell, renewed)
    models = ModelAdmin(rows, catalogue, keys, Probe(services), news.tell)
    return CatalogueRoom(catalogue, keys, models, ConfiguredModels(rows, catalogue, models), news)
