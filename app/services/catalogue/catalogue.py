"""The catalogue at run time: one frozen snapshot a process, remade when somebody changed it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from app.domain.catalogue import Credential, Model, Provider
from app.domain.errors import Unavailable
from app.services.catalogue.snapshot import Snapshot
from app.utils.clock import monotonic

LOOK_AGAIN_SECONDS = 0.25


class Catalogue:
    """read: the rows as the database has them. providers: what is configured, by integration. keys: those that admins
    stored, read with the rows."""

    def __init__(
        self,
        read: Callable[[], Sequence[Model]],
        providers: Mapping[str, Provider],
        keys: Callable[[], Sequence[Credential]] = tuple,
    ) -> None:
        self._read = read
        self._read_keys = keys
        self._keys: Sequence[Credential] = ()
        self._providers = dict(providers)
        self._rows: Sequence[Model] | None = None
        self._listed: dict[str, tuple[Model, ...]] = {}
        self._snapshot: Snapshot | None = None
        self._epoch = -1
        self._stale = True
        self._looked = 0.0

    def snapshot(self) -> Snapshot:
        """The present snapshot. Reads the database in the first call of a process and after a change.

        Raises Unavailable where the database is away and nothing was read before.
        """
        if self._stale or self._snapshot is None:
            self._snapshot = self._made()
        return self._snapshot

    def saw_epoch(self, epoch: int) -> None:
        """Told by every admission and the watch: another number than before means the rows changed."""
        if epoch != self._epoch:
            self._stale = self._stale or self._epoch >= 0
            self._epoch = epoch

    def listed(self, integration: str, models: tuple[Model, ...]) -> None:
        """A provider's own list of models came: it shows beside the rows, and says that the provider is there."""
        if self._listed.get(integration) == models:
            return
        self._listed[integration] = models
        self._providers[integration] = replace(self._providers[integration], unavailable=None)
        self._snapshot = None

    def unlisted(self, model: Model) -> None:
        """A model that is only listed is not there after all; the provider's next list may name it again."""
        before = self._listed.get(model.integration, ())
        self.listed(model.integration, tuple(known for known in before if known.id != model.id))

    def fresh(self) -> Snapshot:
        """The snapshot as the database has it now: an admin's next call may reach another worker than the last."""
        self.changed()
        return self.snapshot()

    def looked_again(self) -> Snapshot:
        """The same for who asks for what is not in it, but not for everyone who does: some such are mistaken."""
        now = monotonic()
        if now - self._looked >= LOOK_AGAIN_SECONDS:
            self._looked = now
            self.changed()
        return self.snapshot()

    def changed(self) -> None:
        """Rows were changed by this worker: the next snapshot reads them anew."""
        self._stale = True

    def _made(self) -> Snapshot:
        # Without rows there is nothing to serve meanwhile: whoever comes during the first reading reads too.
        if self._stale or self._rows is None:
            self._stale = False
            try:
                self._rows, self._keys = self._read(), self._read_keys()
            except Unavailable:
                self._stale = True
                if self._rows is None:
                    raise
        rows = self._rows or ()
        known = {(row.integration, row.name) for row in rows}
        added = [m for models in self._listed.values() for m in models if (m.integration, m.name) not in known]
        own = {name: _with(provider, self._keys) for name, provider in self._providers.items()}
        return Snapshot([*rows, *added], own, [key for key in self._keys if key.origin is not None])


def _with(provider: Provider, stored: Iterable[Credential]) -> Provider:
    """The provider with the keys for its own address that admins stored beside those of the settings."""
    known = {key.id for key in provider.credentials}
    more = {k.id: k for k in stored if k.integration == provider.integration and k.origin is None and k.id not in known}
    if not more:
        return provider
    return replace(provider, credentials=(*provider.credentials, *more.values()), unavailable=None)
