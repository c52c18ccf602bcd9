#!/usr/bin/env python3
"""Fill an empty database: schema, admin, models, templates. Safe to run again: what an admin changed stays as it is."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from sqlalchemy.exc import IntegrityError

from app.domain.accounts import NewKey
from app.domain.catalogue import Model
from app.domain.errors import Conflict, DomainError
from app.factories.seed_models import SEED_MODELS, named_by_settings
from app.repositories.api_keys import ApiKeys
from app.repositories.database import Database
from app.repositories.migrate import MigrationError, upgrade
from app.repositories.model_rows import ModelRows
from app.repositories.secret_fingerprints import SecretFingerprints
from app.repositories.templates import TemplateRows
from app.repositories.users import Users
from app.services.accounts.hashing import PasswordHasher
from app.services.accounts.keys import KeyService
from app.services.accounts.service import AccountService
from app.services.catalogue import seeding
from app.services.templates.seeding import read_drafts, seed_templates
from app.settings import PROVIDERS, Settings, SettingsError
from app.utils.clock import utcnow
from app.utils.pools import ThreadLane

_TRIES = 10
TEMPLATES = Path(__file__).resolve().parent / "prompt_templates.json"

#: The setting of a secret that is made where none is given, and its file in the instance folder.
MADE_SECRETS = {"SECRET_KEY": "secret_key", "JWT_SECRET_KEY": "jwt_secret_key"}


class CannotStart(Exception):
    """Why the service cannot run on this database, in one sentence."""


def prepare(settings: Settings) -> None:
    """Bring the database to the schema of this code and see that all is in it that a first chat needs.

    Prints a generated admin's password, once. Leaves nothing open. Raises CannotStart.
    """
    try:
        upgrade(settings.database_url)
        _fill(settings)
    except (MigrationError, seeding.SecretChangedError) as error:
        raise CannotStart(str(error)) from error
    except DomainError as error:
        raise CannotStart(error.message) from error
    except OSError as error:
        raise CannotStart(f"{error.filename or settings.instance}: {error.strerror}") from error


def _fill(settings: Settings) -> None:
    database, lane = Database(settings.database_url, timeout=30), ThreadLane(1)
    try:
        for left in range(_TRIES - 1, -1, -1):
            try:
                return _fill_once(settings, database, lane)
            except (Conflict, IntegrityError):
                # Another node that starts at this moment was quicker with a row; the next time it is found.
                if not left:
                    raise
    finally:
        lane.close()
        database.close()


def _fill_once(settings: Settings, database: Database, lane: ThreadLane) -> None:
    now = utcnow()
    secrets = {name: getattr(settings, name.lower()) for name in MADE_SECRETS}
    seeding.check_secrets(
        SecretFingerprints(database),
        {name: secret for name, secret in secrets.items() if secret},
        lambda name: _kept(settings.instance / MADE_SECRETS[name]) == secrets[name],
        now,
    )
    seeding.seed_models(ModelRows(database), _models(settings), now)
    seed_templates(TemplateRows(database), read_drafts(TEMPLATES), now)
    users = Users(database)
    # Nobody signs in and nothing is taken back here, so neither sessions nor Redis are needed.
    service = AccountService(users, cast(Any, None), PasswordHasher(lane), cast(Any, None), _nothing)
    admin, password = service.create_admin(settings.admin_username, settings.admin_password)
    if password is not None:
        print(f"\nThe admin is {admin.username}, the password is {password} (shown this once).", flush=True)
    service.ensure_guest()
    if settings.embedded and settings.loopback:
        keys = KeyService(ApiKeys(database), users, _nothing)
        seeding.first_key(settings.instance / "first-key", _AdminKeys(admin.id, ApiKeys(database), keys))


def _models(settings: Settings) -> Iterator[Model]:
    """The seeded ones, and those that the settings name."""
    yield from SEED_MODELS
    seeded = {(model.integration, model.name) for model in SEED_MODELS}
    for integration in PROVIDERS:
        name = settings.providers[integration].model
        if name is not None and (integration, name) not in seeded:
            model = named_by_settings(integration, name)
            # Whoever sells it has a price for it that we do not know, and unknown is not free.
            yield model if integration in seeding.NAMED_BY_SETTINGS else replace(model, price=None)


@dataclass(frozen=True, slots=True)
class _AdminKeys:
    admin_id: str
    rows: ApiKeys
    service: KeyService

    def known(self, key: str) -> bool:
        return self.rows.by_hash(hashlib.sha256(key.encode()).digest()) is not None

    def make(self) -> str:
        return self.service.create(self.admin_id, NewKey("first-key"))[1]

    def forget(self, key: str) -> None:
        found = self.rows.by_hash(hashlib.sha256(key.encode()).digest())
        if found is not None:
            self.rows.revoke(self.admin_id, found[0].id, utcnow())


def _kept(path: Path) -> str | None:
    return path.read_text(encoding="ascii").strip() if path.exists() else None


def _nothing() -> None:
    """No worker runs yet that would have to be told."""


def main() -> None:
    root = Path(__file__).resolve().parent
    try:
        prepare(Settings.load(os.environ, root / ".env", root))
    except (SettingsError, CannotStart) as fault:
        sys.exit(str(fault))


if __name__ == "__main__":
    main()
