"""The configuration as a whole."""

from __future__ import annotations

from app.bootstrap.house import House
from app.factories.seed_models import SEED_MODELS
from app.repositories.configuration import ConfigurationRows
from app.services.catalogue.configuration import ConfigurationService


def configuration_of(house: House) -> ConfigurationService:
    shipped = {(model.integration, model.name): model for model in SEED_MODELS}

    def told() -> None:
        house.shelves.news.tell()
        house.accounts.registry.revoked()

    rows = ConfigurationRows(house.stores.database, shipped)
    return ConfigurationService(rows, house.shelves.catalogue, told)
