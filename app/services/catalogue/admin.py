"""Models in an admin's hands: each change serves the next request, is in the audit, and sends no key astray."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from app.domain.audit import Actor
from app.domain.catalogue import Model
from app.domain.errors import InvalidRequest, NotFound, Unavailable
from app.domain.policies.addresses import checked_base_url, is_metadata, origin
from app.factories.catalogue import CATALOGUE, rooted, row_of
from app.repositories.model_rows import ModelRows, Origin
from app.repositories.provider_keys import SealedKey
from app.services.catalogue.catalogue import Catalogue
from app.services.catalogue.key_store import KeyStore
from app.services.catalogue.probe import Answer, Probe
from app.services.catalogue.snapshot import DEMO, Snapshot
from app.utils.clock import utcnow
from app.utils.pools import within

LOOK_UP_SECONDS = 2.0
#: What `/config/model` calls the provider of its rows.
CUSTOM = "custom"
RANK = 50_000  # behind the catalogue's own rows, before what is only listed


@dataclass(frozen=True, slots=True)
class Wish:
    """What an admin wants of a row. fields: of Model. api_key: given with it. verify: one test call comes first."""

    fields: Mapping[str, Any]
    api_key: str | None
    verify: bool


class ModelAdmin:
    """told: says to every worker that the catalogue changed."""

    def __init__(
        self, rows: ModelRows, catalogue: Catalogue, keys: KeyStore, probe: Probe, told: Callable[[], None]
    ) -> None:
        self._rows = rows
        self._catalogue = catalogue
        self._keys = keys
        self._probe = probe
        self._told = told

    def all(self) -> tuple[Model, ...]:
        """Every model that is known here, those that providers only list among them."""
        return self._catalogue.fresh().models

    def get(self, model_id: str) -> Model:
        found = next((model for model in self.all() if model.id == model_id), None)
        if found is None:
            raise NotFound("There is no such model.")
        return found

    def add(self, name: str, provider: str, wish: Wish, actor: Actor, origin: Origin = "admin") -> Model:
        """Raises InvalidRequest naming the field, Conflict, InternalError where the test call failed."""
        snapshot = self._catalogue.fresh()
        fields = with_address(provider, wish.fields)
        check_new(snapshot, provider, name, fields.get("base_url"))
        blank = Model(f"{provider}/{name}", provider, name, abilities_known=False, rank=RANK)
        model = replace(blank, **fields)
        key = self._key_for(snapshot, model, None, wish)
        self._verify(snapshot, model, wish)
        self._rows.add(model, actor, utcnow(), key, origin)
        self._tell(model, wish)
        return self.get(model.id)

    def change(self, model_id: str, wish: Wish, actor: Actor) -> Model:
        """Raises InvalidRequest naming the field, NotFound, InternalError where the test call failed."""
        snapshot, before = self._catalogue.fresh(), self.get(model_id)
        fields = with_address(before.integration, wish.fields)
        if not fields and wish.api_key is None:
            raise InvalidRequest("There is nothing to change.")
        model = replace(before, **fields)
        key = self._key_for(snapshot, model, before, wish)
        self._verify(snapshot, model, wish)
        self._rows.amend(model_id, fields, actor, utcnow(), key)
        self._tell(model, wish)
        return self.get(model_id)

    def delete(self, model_id: str, actor: Actor) -> None:
        """Raises NotFound, Conflict for a row of the catalogue's own."""
        self._rows.delete(model_id, actor)
        self._told()

    def test(self, model_id: str) -> Answer:
        """One tiny call. Raises NotFound, InternalError where it does not answer."""
        return self._ask(self._catalogue.fresh(), self.get(model_id), None)

    def _tell(self, model: Model, wish: Wish) -> None:
        if wish.api_key is not None:
            self._keys.renew(model.integration, wish.api_key)
        self._told()

    def _key_for(self, snapshot: Snapshot, model: Model, former: Model | None, wish: Wish) -> SealedKey | None:
        """The key to be stored with the row. One that is stored never goes to an address it was not given for.

        former: the row before its change, None for a new one.
        """
        if wish.api_key is not None:
            bound = None if _at_home(snapshot, model) or model.base_url is None else origin(model.base_url)
            only = only_key(bound) if model.integration == CUSTOM and bound else None
            return self._keys.sealed(model.integration, wish.api_key, bound, only)
        had_keys = snapshot.keys_for(model.integration, former.base_url if former else None)
        # One host may serve many: another path of it may be somebody else's.
        moved = former is not None and former.base_url != model.base_url
        if had_keys and (moved or not snapshot.keys_for(model.integration, model.base_url)):
            raise InvalidRequest("A new base_url needs the key again.", field="api_key")
        return None

    def _verify(self, snapshot: Snapshot, model: Model, wish: Wish) -> None:
        if wish.verify:
            self._ask(snapshot, model, wish.api_key)

    def _ask(self, snapshot: Snapshot, model: Model, secret: str | None) -> Answer:
        known = snapshot.keys_for(model.integration, model.base_url)
        provider = snapshot.providers.get(model.integration)
        base_url = model.base_url or (provider.base_url if provider else "")
        return self._probe.ask(model, base_url, secret or (known[0].secret if known else None))


def only_key(bound_to: str) -> str:
    """The id of the one key that `/config/model` keeps for an address."""
    return str(uuid5(NAMESPACE_URL, f"{CUSTOM} {bound_to}"))


def check_new(snapshot: Snapshot, provider: str, name: str, base_url: str | None) -> None:
    """Raises InvalidRequest naming the field where there can be no such row."""
    if name in snapshot.aliases or name.partition(":")[0] in ("mix", DEMO) or provider == DEMO:
        raise InvalidRequest("This word has a meaning of its own here.", field="name")
    if base_url is None and provider not in CATALOGUE:
        raise InvalidRequest("A provider that is not known here needs a base_url.", field="base_url")


def with_address(provider: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields with their base_url as calls use it. Raises InvalidRequest where it leads where no model is."""
    base_url = fields.get("base_url")
    if base_url is None:
        return dict(fields)
    clean = checked_base_url(base_url)
    _refuse_metadata(urlsplit(clean).hostname or "")
    return {**fields, "base_url": rooted(clean, row_of(provider).wire)}


def _at_home(snapshot: Snapshot, model: Model) -> bool:
    """Whether the row is asked at its provider's own address."""
    provider = snapshot.providers.get(model.integration)
    if model.base_url is None:
        return True
    return provider is not None and origin(provider.base_url) == origin(model.base_url)


def _refuse_metadata(host: str) -> None:
    """A name that leads to a cloud's metadata is refused like its address; one that nobody knows may come to be."""
    try:
        with within(LOOK_UP_SECONDS, Unavailable("The name was not looked up in time.")):
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return
    if any(is_metadata(str(sockaddr[0])) for *_, sockaddr in found):
        raise InvalidRequest("base_url leads to an address where no model is.", field="base_url")
