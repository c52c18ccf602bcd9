"""Providers' keys that admins store: sealed in SQL, opened in memory, used on every worker within a second."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from app.domain.audit import Actor
from app.domain.catalogue import Credential
from app.domain.errors import InvalidRequest, NotFound
from app.domain.policies.addresses import origin
from app.factories.catalogue import CATALOGUE
from app.repositories.provider_keys import ProviderKeys, SealedKey
from app.services.catalogue.catalogue import Catalogue
from app.services.catalogue.providers import credentials, mask
from app.utils.clock import utcnow
from app.utils.ids import new_id
from app.utils.sealing import Sealer, UnreadableError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as an admin may see it. readable: whether our SECRET_KEY still opens it."""

    row: SealedKey
    readable: bool


class KeyStore:
    """told: says to every worker that the catalogue changed. renewed: forgets what was held against a key (by id)."""

    def __init__(
        self, rows: ProviderKeys, sealer: Sealer, told: Callable[[], None], renewed: Callable[[str], None]
    ) -> None:
        self._rows = rows
        self._sealer = sealer
        self._told = told
        self._renewed = renewed
        self._warned: set[str] = set()

    def credentials(self) -> tuple[Credential, ...]:
        """All that can be opened, for the catalogue. Raises Unavailable."""
        return tuple(found for row in self._rows.all() if (found := self._opened(row)) is not None)

    def all(self) -> list[StoredKey]:
        return [self._stored(row) for row in self._rows.all()]

    def get(self, key_id: str) -> StoredKey:
        found = self._rows.get(key_id)
        if found is None:
            raise NotFound("There is no such key.")
        return self._stored(found)

    def add(self, provider: str, secret: str, actor: Actor, catalogue: Catalogue, base_url: str | None) -> StoredKey:
        """Store a key. base_url: the address it is for, None for the provider's own or that of its only models.

        Raises InvalidRequest where that cannot be told, Conflict at too many.
        """
        row = self.sealed(provider, secret, self._origin(provider, base_url, catalogue))
        self._rows.add(row, actor)
        self._put_to_use(row, secret)
        return StoredKey(row, True)

    def replace(self, key_id: str, secret: str, actor: Actor) -> StoredKey:
        """Another secret for the same provider and address. Raises NotFound."""
        before = self.get(key_id).row
        row = SealedKey(
            before.id, before.integration, before.origin, self._sealer.seal(secret, before.id), mask(secret),
            before.created_at,
        )  # fmt: skip
        if not self._rows.replace(row, actor):
            raise NotFound("There is no such key.")
        self._put_to_use(row, secret)
        return StoredKey(row, True)

    def remove(self, key_id: str, actor: Actor) -> None:
        """Raises NotFound."""
        if not self._rows.remove(key_id, actor):
            raise NotFound("There is no such key.")
        self._told()

    def sealed(self, provider: str, secret: str, bound_to: str | None, key_id: str | None = None) -> SealedKey:
        """A row for a key that is used at that origin alone. key_id: of the row that it may take the place of."""
        key_id = key_id or new_id()
        return SealedKey(key_id, provider, bound_to, self._sealer.seal(secret, key_id), mask(secret), utcnow())

    def renew(self, provider: str, secret: str) -> None:
        """Forget what was held against this key."""
        for credential in credentials(provider, [secret]):
            self._renewed(credential.id)

    def _put_to_use(self, row: SealedKey, secret: str) -> None:
        self.renew(row.integration, secret)
        self._told()

    def _stored(self, row: SealedKey) -> StoredKey:
        return StoredKey(row, self._opened(row) is not None)

    def _opened(self, row: SealedKey) -> Credential | None:
        try:
            secret = self._sealer.open(row.sealed, row.id)
        except UnreadableError:
            if row.id not in self._warned:
                self._warned.add(row.id)
                log.warning("a stored key of %s cannot be read with this SECRET_KEY: store it anew", row.integration)
            return None
        (found,) = credentials(row.integration, [secret])
        return Credential(found.id, found.integration, found.secret, found.mask, row.origin)

    @staticmethod
    def _origin(provider: str, base_url: str | None, catalogue: Catalogue) -> str | None:
        """A key goes to the address it was given for and to no other."""
        if base_url is not None:
            return origin(base_url)
        if provider in CATALOGUE:
            return None
        told = {origin(m.base_url) for m in catalogue.fresh().models if m.integration == provider and m.base_url}
        if len(told) != 1:
            raise InvalidRequest("Say by base_url which address this key is for.", field="base_url")
        return told.pop()
