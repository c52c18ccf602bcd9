"""Users and keys in an admin's hands. Every act is in the audit, and every worker hears of it within a second."""

from __future__ import annotations

from collections.abc import Callable

from app.domain.accounts import ApiKey, NewKey, User
from app.domain.audit import Actor
from app.domain.caller import Budget
from app.domain.errors import InvalidRequest, NotFound
from app.repositories.api_keys import ApiKeys, KeyChanges
from app.repositories.installation import Installation
from app.repositories.users import UserChanges, Users
from app.services.accounts.keys import KeyService, check_budget
from app.utils.clock import utcnow


class AccountAdmin:
    """revoked: tells every worker that a caller is not what it was."""

    def __init__(
        self,
        users: Users,
        keys: ApiKeys,
        making: KeyService,
        installation: Installation,
        revoked: Callable[[], None],
    ) -> None:
        self._users = users
        self._keys = keys
        self._making = making
        self._installation = installation
        self._revoked = revoked

    def users(self, limit: int, before: str | None) -> list[User]:
        """All users, newest first, from after the one with the id `before`."""
        return self._users.page(limit, before)

    def user(self, user_id: str) -> User:
        found = self._users.get(user_id)
        if found is None:
            raise NotFound("There is no such user.")
        return found

    def change_user(self, user_id: str, changes: UserChanges, actor: Actor) -> User:
        """Raises NotFound, InvalidRequest for nothing to change and for the guest's role, Conflict for the last
        active admin."""
        _refuse_nothing(bool(changes))
        changed = self._users.amend(user_id, changes, actor)
        self._revoked()
        return changed

    def keys(self, limit: int, before: str | None, user_id: str | None) -> list[tuple[ApiKey, User]]:
        """Keys with their users, revoked ones too, newest first, from after the one with the id `before`."""
        return self._keys.all(limit, before, user_id)

    def key(self, key_id: str) -> tuple[ApiKey, User]:
        found = self._keys.by_id(key_id)
        if found is None:
            raise NotFound("There is no such key.")
        return found

    def make_key(self, user_id: str, wish: NewKey, actor: Actor) -> tuple[ApiKey, User, str]:
        """A key for a user; the last is the key itself. Raises as `KeyService.create` does."""
        key, secret = self._making.create(user_id, wish, actor)
        return key, self.user(user_id), secret

    def change_key(self, key_id: str, changes: KeyChanges, budget: Budget | None, actor: Actor) -> tuple[ApiKey, User]:
        """budget: the one among the changes. Raises NotFound, InvalidRequest, Conflict for a key that was revoked."""
        _refuse_nothing(bool(changes))
        expires_at = changes.get("expires_at")
        if expires_at is not None and expires_at <= utcnow():
            raise InvalidRequest("expires_at is over already.", field="expires_at")
        check_budget(budget, self.key(key_id)[1])
        self._keys.amend(key_id, changes, actor)
        self._revoked()
        return self.key(key_id)

    def revoke_key(self, key_id: str, actor: Actor) -> None:
        """Raises NotFound, Conflict where it was before."""
        self._keys.amend(key_id, {"revoked_at": utcnow()}, actor)
        self._revoked()

    def set_budget(self, budget: Budget | None, actor: Actor) -> None:
        """What all callers together may spend, None for no bound."""
        self._installation.set_budget(budget, actor)
        self._revoked()


def _refuse_nothing(anything: bool) -> None:
    if not anything:
        raise InvalidRequest("There is nothing to change.")
