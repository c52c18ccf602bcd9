"""The house with one provider more. It stands as `sitecustomize` in the server's path, so that the rows are there
before anything of the service is loaded, as they would be if they stood in the files."""

SITECUSTOMIZE = """
from gevent import monkey

monkey.patch_all()

import os

from app.domain.catalogue import Model
from app.domain.money import FREE
from app.factories import catalogue, seed_models

URL = os.environ["TOY_PROVIDER"]
catalogue.CATALOGUE = {
    **catalogue.CATALOGUE,
    "toy": catalogue.ProviderRow("toy", "Toy", "openai", URL + "/v1", "TOY", needs_key=False),
}
seed_models.SEED_MODELS = (
    *seed_models.SEED_MODELS,
    Model("toy/toy-1", "toy", "toy-1", context_window=8_192, price=FREE, rank=99),
)
"""
