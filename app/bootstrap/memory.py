"""What is remembered of users."""

from __future__ import annotations

from contextlib import closing

from app.bootstrap.house import House
from app.domain.errors import ProviderFault, Unavailable
from app.repositories.memories import Memories
from app.routes import memory as routes
from app.services.chat.remembering import Remembering
from app.services.memory.service import MemoryService
from app.stores.vectors import Collections, FolderCollections, Send, ServerCollections, Vectors
from app.transport.http import HttpRequest
from app.utils.cancel import Cancel
from app.utils.clock import monotonic
from app.utils.patience import Patience

MOST_REPLY = 4 * 2**20


def memory(house: House) -> None:
    collections, off = _collections(house)
    vectors = None if collections is None else Vectors(collections, house.embedder.name)
    service = MemoryService(Memories(house.stores.database), house.embedder, vectors, off)
    house.enrichments.append(Remembering(service))
    house.listeners.append(service.ended)
    house.forgetters.append(service.forget_conversation)
    house.doors.append(routes.blueprint(service))
    house.probes["memory"] = lambda: (service.state, off or "answers")
    service.start()
    house.lifecycle.on_close("memory", service.stop)


def _collections(house: House) -> tuple[Collections | None, str]:
    """Where vectors are kept, or why they are not."""
    settings = house.settings
    if not settings.memory_enabled:
        return None, "memory is switched off here"
    if settings.chroma_url is not None:
        return ServerCollections(_sender(house, settings.chroma_url)), ""
    if settings.web_concurrency > 1:
        return None, "memory is off: several workers need CHROMA_URL"
    return FolderCollections(settings.instance / "chroma"), ""


def _sender(house: House, base: str) -> Send:
    def send(method: str, path: str, body: bytes, seconds: float) -> tuple[int, bytes]:
        headers = {"content-type": "application/json", "accept": "application/json"}
        patience = Patience(deadline=monotonic() + seconds, first=seconds, stall=seconds)
        try:
            with closing(
                house.transport.send(HttpRequest(method, base + path, headers, body), patience, Cancel())
            ) as reply:
                return reply.status, reply.read(MOST_REPLY)
        except ProviderFault as fault:
            raise Unavailable("the memory's server does not answer", retry_after=5) from fault

    return send
