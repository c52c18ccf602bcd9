"""Models of other addresses that an admin names in one call, as scripts do: a second call replaces the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from app.domain.audit import Actor
from app.domain.catalogue import Model
from app.domain.errors import Conflict, InvalidRequest
from app.repositories.model_rows import ModelRows
from app.services.catalogue.admin import CUSTOM, ModelAdmin, Wish
from app.services.catalogue.catalogue import Catalogue
from app.services.catalogue.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class ConfiguredModel:
    """key: masked, None where none is stored for its address."""

    model: Model
    key: str | None


class ConfiguredModels:
    def __init__(self, rows: ModelRows, catalogue: Catalogue, admin: ModelAdmin) -> None:
        self._rows = rows
        self._catalogue = catalogue
        self._admin = admin

    def all(self) -> list[ConfiguredModel]:
        """Every model with an address of its own that an admin brought, in the catalogue's order."""
        snapshot = self._catalogue.fresh()
        return [_with_key(snapshot, model) for model in self._rows.made_here()]

    def put(self, name: str, wish: Wish, actor: Actor) -> ConfiguredModel:
        """Add the model, or change it where it was made so; what is left out then stays.

        Raises InvalidRequest naming the field, Conflict where somebody else made the row, InternalError where the
        test call failed.
        """
        model_id = f"{CUSTOM}/{name}"
        origin = self._rows.origin(model_id)
        if origin not in (None, "config"):
            raise Conflict("An admin made this model by another way; change it at /api/admin/models.", field="name")
        if origin is None:
            made = self._admin.add(name, CUSTOM, wish, actor, "config")
        else:
            made = self._admin.change(model_id, _renewed(wish), actor)
        return _with_key(self._catalogue.snapshot(), made)


def _renewed(wish: Wish) -> Wish:
    """What was learned of the model before says nothing any more."""
    fields: Mapping[str, object] = wish.fields
    if "base_url" in fields and fields["base_url"] is None:
        raise InvalidRequest("A model of another address needs a base_url.", field="base_url")
    return replace(wish, fields={**fields, "unavailable": None})


def _with_key(snapshot: Snapshot, model: Model) -> ConfiguredModel:
    keys = snapshot.keys_for(model.integration, model.base_url)
    return ConfiguredModel(model, keys[0].mask if keys else None)
