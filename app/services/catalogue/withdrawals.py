"""A model that its provider no longer has is taken out of the catalogue, for every worker, behind the chats' backs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import gevent

from app.domain.catalogue import Model
from app.domain.errors import Unavailable
from app.services.catalogue.catalogue import Catalogue
from app.utils.clock import utcnow

log = logging.getLogger(__name__)

REASON = "withdrawn by its provider"


class Rows(Protocol):
    def withdraw(self, model_id: str, reason: str, now: datetime) -> bool:
        """Whether the row could answer until now; raises Unavailable."""


class Withdrawals:
    """bump: tells the other workers that the catalogue changed; may raise Unavailable."""

    def __init__(self, catalogue: Catalogue, rows: Rows, bump: Callable[[], object]) -> None:
        self._catalogue = catalogue
        self._rows = rows
        self._bump = bump
        self._under_way: set[str] = set()

    def tell(self, model: Model) -> None:
        """Never blocks, never raises. What cannot be kept now is told again by the next chat that meets it."""
        if model.id not in self._under_way:
            self._under_way.add(model.id)
            gevent.spawn(self._withdraw, model)

    def _withdraw(self, model: Model) -> None:
        try:
            if model.listed:
                self._catalogue.unlisted(model)
            elif self._rows.withdraw(model.id, REASON, utcnow()):
                log.warning("%s/%s was %s", model.integration, model.name, REASON)
                self._bump()
                self._catalogue.changed()
        except Unavailable as fault:
            log.debug("a model that is gone could not be marked: %s", fault.message)
        finally:
            self._under_way.discard(model.id)
