"""API keys: made, listed, taken back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from app.domain.accounts import ApiKey, NewKey, User
from app.domain.audit import Actor
from app.domain.caller import Budget, Caller, Limits
from app.domain.errors import Forbidden, InvalidRequest, NotFound
from app.repositories.api_keys import ApiKeys
from app.repositories.users import Users
from app.utils.clock import utcnow
from app.utils.ids import new_id, new_secret

SHOWN = 10
_LENGTH = {"day": 1, "month": 2, "total": 3}


class KeyService:
    """revoked: tells every worker that a caller was taken back."""

    def __init__(self, keys: ApiKeys, users: Users, revoked: Callable[[], None]) -> None:
        self._keys = keys
        self._users = users
        self._revoked = revoked

    def create(self, user_id: str, wish: NewKey, actor: Actor | None = None) -> tuple[ApiKey, str]:
        """Make a key; actor: the admin who does it for the user. The second is the key itself, which nobody sees again.

        Raises InvalidRequest naming the field, Conflict at 100 keys, NotFound without the user.
        """
        user = self._users.get(user_id)
        if user is None:
            raise NotFound("There is no such user.")
        now = utcnow()
        if wish.expires_at is not None and wish.expires_at <= now:
            raise InvalidRequest("expires_at is over already.", field="expires_at")
        check_budget(wish.budget, user)
        key = f"sk-{new_secret(32)}"
        digest = hashlib.sha256(key.encode()).digest()
        return self._keys.add(new_id(), user_id, wish, key[:SHOWN], digest, now, actor), key

    def page(self, caller: Caller, limit: int, before: str | None) -> list[ApiKey]:
        """The caller's keys that are not revoked, newest first, from after the key `before`."""
        _refuse_guest(caller)
        return self._keys.page(caller.user_id, limit, before)

    def revoke(self, caller: Caller, key_id: str) -> None:
        """Take a key of the caller's back. Raises NotFound, also where it is another's."""
        _refuse_guest(caller)
        if not self._keys.revoke(caller.user_id, key_id, utcnow()):
            raise NotFound("There is no such key.")
        self._revoked()

    def create_own(self, caller: Caller, wish: NewKey) -> tuple[ApiKey, str]:
        """`create` for the caller. A key with bounds of its own makes none, or they would bind nothing."""
        _refuse_guest(caller)
        if caller.key_id is not None and _is_bounded(caller):
            raise Forbidden("An API key with limits, a budget, models or an end cannot make keys; sign in.")
        return self.create(caller.user_id, wish)


def _refuse_guest(caller: Caller) -> None:
    if caller.is_guest:
        raise Forbidden("A guest has no keys.")


def _is_bounded(caller: Caller) -> bool:
    bounds = (caller.models, caller.key_budget, caller.expires_at)
    return caller.key_limits != Limits() or any(bound is not None for bound in bounds)


def check_budget(budget: Budget | None, user: User) -> None:
    """A key's cap may stand above its user's only where it is over a longer time. Raises InvalidRequest."""
    if budget is None or user.budget is None or _LENGTH[budget.period] > _LENGTH[user.budget.period]:
        return
    if budget.amount > user.budget.amount:
        raise InvalidRequest("A key's budget is at most its user's.", field="budget")
