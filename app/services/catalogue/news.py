"""Says to every worker that the catalogue changed."""

from __future__ import annotations

import logging
from collections.abc import Callable

from app.domain.errors import Unavailable
from app.services.catalogue.catalogue import Catalogue

log = logging.getLogger(__name__)


class News:
    """bump: raises the counter in Redis; may raise Unavailable."""

    def __init__(self, catalogue: Catalogue, bump: Callable[[], object]) -> None:
        self._catalogue = catalogue
        self._bump = bump
        self._owed = False

    def tell(self) -> None:
        """After the commit. While Redis is away the others learn it when it is back."""
        self._catalogue.changed()
        self._owed = True
        try:
            self.pay()
        except Unavailable:
            log.warning("redis is away: the other workers hear of the catalogue's change later")

    def pay(self) -> None:
        """Raise the counter where that is owed. Raises Unavailable."""
        if self._owed:
            self._bump()
            self._owed = False
