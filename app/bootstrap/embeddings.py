"""What texts are compared by."""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.catalogue import Provider
from app.domain.embedding import Embedder
from app.factories.llm_service_factory import LLMServiceFactory
from app.services.llm.provider_embedder import ProviderEmbedder
from app.settings import Settings
from app.stores.embedder import WordLlamaEmbedder
from app.transport.pooled import PooledTransport
from app.utils.lifecycle import Lifecycle


def embedder_of(
    settings: Settings, configured: Mapping[str, Provider], transport: PooledTransport, lifecycle: Lifecycle
) -> Embedder:
    """EMBEDDINGS_MODEL: the embedded one, or a provider's as INTEGRATION/NAME."""
    integration, slash, name = settings.embeddings_model.partition("/")
    if slash:
        service = LLMServiceFactory(transport).service(integration, "embedding")
        return ProviderEmbedder(service, configured[integration], name)
    built = WordLlamaEmbedder()
    lifecycle.on_close("embedder", built.close)
    return built
