"""Summaries of conversations that have outgrown their window."""

from __future__ import annotations

from functools import partial

from app.bootstrap.house import House
from app.domain.catalogue import Model
from app.repositories.summaries import Summaries
from app.services.chat.summaries import Summarized, Summarizer, Window
from app.stores.health_state import HealthState
from app.utils.afterwards import Afterwards

AT_ONCE, MOST_WAITING = 2, 200
"""Summaries of a worker: each is a call of a provider, and the other work after replies does not wait for it."""
CLOSE_SECONDS = 1.0


def summaries(house: House) -> None:
    settings, stores, catalogue = house.settings, house.stores, house.shelves.catalogue
    kept, lane = Summaries(stores.database), Afterwards(AT_ONCE, MOST_WAITING)

    def models() -> tuple[Model, ...]:
        snapshot = catalogue.snapshot()
        return snapshot.real or snapshot.demo

    writer = Summarizer(
        kept,
        HealthState(stores.redis),
        models,
        Window(settings.conversation_max_messages, settings.conversation_max_tokens),
        house.lifecycle,
        lane.put,
    )
    house.enrichments.append(Summarized(kept))
    house.at_once.append(writer.ended)
    house.summarizer = writer
    house.lifecycle.on_close("summaries", partial(lane.drain, CLOSE_SECONDS))
