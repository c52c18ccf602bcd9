"""What an empty database needs before the first chat, and what every start looks after."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from app.domain.catalogue import Model
from app.domain.errors import Conflict
from app.repositories.model_rows import ModelRows
from app.repositories.secret_fingerprints import SecretFingerprints
from app.utils.secrets_file import write_private

log = logging.getLogger(__name__)

#: Integrations whose one model the settings name: under another name the former one's row goes.
NAMED_BY_SETTINGS = frozenset({"ngrok", "ollama"})


class SecretChangedError(Exception):
    """A secret that we made is not the one this database was used with; the message says what to do."""


class Keys(Protocol):
    """The API keys of the admin, for the first key."""

    def known(self, key: str) -> bool:
        """Whether the database has this key, revoked or not."""

    def make(self) -> str:
        """A new key."""

    def forget(self, key: str) -> None:
        """Revoke a key that was made and could not be handed over."""


def seed_models(rows: ModelRows, models: Iterable[Model], now: datetime) -> int:
    """Bring the seeded rows up to date; how many changed. An admin's own and edited rows stay as they are."""
    changed = rows.seed(models, now, whole=NAMED_BY_SETTINGS)
    if changed:
        log.info("the catalogue was seeded: %d rows changed", changed)
    return changed


def first_key(path: Path, keys: Keys) -> None:
    """See that the file holds an API key of this database. A key that is known here stays, also a revoked one.

    The file (0600) is made whole or not at all; of two starts at once one writes it.
    """
    if path.exists():
        if keys.known(path.read_text(encoding="utf-8").strip()):
            return
        path.unlink()
    try:
        key = keys.make()
    except Conflict as fault:
        log.warning("no first key was made: %s", fault.message)
        return
    if not write_private(path, key + "\n"):
        keys.forget(key)


def check_secrets(
    kept: SecretFingerprints, secrets: Mapping[str, str], generated: Callable[[str], bool], now: datetime
) -> None:
    """Compare each secret, by its setting's name, with the one this database was used with.

    A set one that differs is a rotation and told once. Raises SecretChangedError for one that we generated: the
    database came from elsewhere, or the folder with its secrets was lost.
    """
    for name, secret in secrets.items():
        mark = hashlib.sha256(f"onedoor/{name}/{secret}".encode()).hexdigest()
        before = kept.get(name)
        if before == mark:
            continue
        if before is not None and generated(name):
            raise SecretChangedError(
                f"{name} was generated here, and the database was used with another one: bring back the instance folder"
                f" that belongs to it, or set {name}."
            )
        if before is not None:
            log.warning("%s is another one than before: what was signed with the former one is void", name)
        kept.put(name, mark, now)
