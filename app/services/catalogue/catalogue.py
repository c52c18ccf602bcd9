"""The catalogue at run time: one frozen snapshot a process, remade when somebody changed it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from app.domain.catalogue import Model, Provider
from app.services.catalogue.snapshot import Snapshot


class Catalogue:
    """read: the rows as the database has them. providers: what is configured, by integration."""

    def __init__(self, read: Callable[[], Sequence[Model]], providers: Mapping[str, Provider]) -> None:
        self._read = read
        self._providers = providers
        self._snapshot: Snapshot | None = None
        self._epoch = -1

    def snapshot(self) -> Snapshot:
        """The present snapshot; the first call of a process reads the database."""
        if self._snapshot is None:
            self._snapshot = Snapshot(self._read(), self._providers)
        return self._snapshot

    def saw_epoch(self, epoch: int) -> None:
        """Told by every admission and the poller: another number than before means the rows changed."""
        if epoch == self._epoch:
            return
        first, self._epoch = self._epoch < 0, epoch
        if not first:
            self._snapshot = None
