"""The whole configuration, taken home and brought back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from app.domain.audit import Actor
from app.domain.configuration import Configuration, Imported, ModelEntry
from app.domain.errors import InvalidRequest, Unavailable
from app.repositories.configuration import ConfigurationRows
from app.services.catalogue.admin import check_new, with_address
from app.services.catalogue.catalogue import Catalogue
from app.services.catalogue.snapshot import Snapshot
from app.utils.clock import utcnow
from app.utils.pools import within

#: For the names of all addresses together.
LOOK_UPS_SECONDS = 15.0


class ConfigurationService:
    """told: says to every worker that the catalogue, users and templates changed."""

    def __init__(self, rows: ConfigurationRows, catalogue: Catalogue, told: Callable[[], None]) -> None:
        self._rows = rows
        self._catalogue = catalogue
        self._told = told

    def read(self) -> Configuration:
        return self._rows.read()

    def apply(self, wanted: Configuration, actor: Actor) -> Imported:
        """Make it so, all of it or nothing.

        Raises InvalidRequest naming the place in the file, Conflict where somebody changes the same at that moment.
        """
        if wanted.models is not None:
            snapshot = self._catalogue.fresh()
            with within(LOOK_UPS_SECONDS, Unavailable("The names of the addresses were not looked up in time.")):
                wanted = replace(wanted, models=tuple(_checked(snapshot, wanted.models)))
        done = self._rows.apply(wanted, actor, utcnow())
        if any(done.changed.values()):
            self._told()
        return done


def _checked(snapshot: Snapshot, entries: tuple[ModelEntry, ...]) -> Iterator[ModelEntry]:
    """The entries with their addresses as calls use them; those that stand here already are not looked up again."""
    known = {(model.integration, model.name) for model in snapshot.models}
    addresses = {model.base_url for model in snapshot.models}
    for at, entry in enumerate(entries):
        model = entry.model
        with _at(f"models[{at}]"):
            if (model.integration, model.name) not in known:
                check_new(snapshot, model.integration, model.name, model.base_url)
            if model.base_url not in addresses:
                address = with_address(model.integration, {"base_url": model.base_url})["base_url"]
                addresses |= {model.base_url, address}
                entry = replace(entry, model=replace(model, base_url=address))
        yield entry


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Name the place in the file beside the field."""
    try:
        yield
    except InvalidRequest as fault:
        fault.field = f"{place}.{fault.field}" if fault.field else place
        raise
