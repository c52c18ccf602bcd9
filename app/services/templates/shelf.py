"""The templates that were used of late, in memory: using one again costs no look-up."""

from __future__ import annotations

from collections import OrderedDict

from app.domain.errors import Unavailable
from app.domain.templates import Template, Viewer
from app.repositories.epochs import EpochRows
from app.repositories.templates import EPOCH, TemplateRows
from app.utils.clock import monotonic

KEPT = 512
#: Seconds for which another worker's change may go unnoticed; a worker asks the counter no more often than this.
TRUST_SECONDS = 0.25


class Shelf:
    """Each entry belongs to who asked for it: what one viewer sees is never handed to another."""

    def __init__(self, rows: TemplateRows, epochs: EpochRows) -> None:
        self._rows = rows
        self._epochs = epochs
        self._kept: OrderedDict[tuple[Viewer, str], Template | None] = OrderedDict()
        self._epoch: int | None = None
        self._asked = float("-inf")

    def find(self, viewer: Viewer, template_id: str) -> Template | None:
        """The version that serves. With the database away what is known still serves; else it raises Unavailable."""
        self._look()
        key = (viewer, template_id)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        epoch = self._epoch
        found = self._rows.find(viewer, template_id)
        # Kept only under the counter that was read before: what changed since then raises it.
        if epoch is not None and epoch == self._epoch:
            self._kept[key] = found
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found

    def forget(self) -> None:
        """This worker changed one: the next use looks anew."""
        self._kept.clear()
        self._epoch, self._asked = None, float("-inf")

    def _look(self) -> None:
        now = monotonic()
        if now - self._asked < TRUST_SECONDS:
            return
        self._asked = now
        try:
            epoch = self._epochs.read(EPOCH)
        except Unavailable:
            return
        if epoch != self._epoch:
            self._kept.clear()
            self._epoch = epoch
