"""Users: joining, signing in, their profile."""

from __future__ import annotations

from collections.abc import Callable

from app.domain.accounts import GUEST_ID, NewUser, User
from app.domain.caller import Budget, Caller, Role
from app.domain.errors import Conflict, Forbidden, InvalidRequest, NotFound, Unauthorized
from app.domain.policies.names import MAX_EMAIL, email_key, identity_key, name_key
from app.domain.policies.passwords import new_password_bytes, password_bytes
from app.repositories.users import UserChanges, Users
from app.services.accounts.hashing import PasswordHasher
from app.services.accounts.sessions import Sessions, SignedIn
from app.stores.login_guard import LoginGuard
from app.utils.clock import utcnow
from app.utils.ids import new_id, new_secret


class AccountService:
    """revoked: tells every worker that a caller was taken back. default_budget: what a new user may spend."""

    def __init__(
        self,
        users: Users,
        sessions: Sessions,
        hasher: PasswordHasher,
        guard: LoginGuard,
        revoked: Callable[[], None],
        *,
        registration_open: bool = True,
        default_budget: Budget | None = None,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._hasher = hasher
        self._guard = guard
        self._revoked = revoked
        self._registration_open = registration_open
        self._default_budget = default_budget

    def register(self, username: str, email: str | None, password: str) -> User:
        """Make a user. Raises Forbidden (registration closed), InvalidRequest, Conflict, each naming its field."""
        if not self._registration_open:
            raise Forbidden("Registration is closed here.")
        key = name_key(username)
        mail = email_key(email) if email is not None else None
        hashed = self._hasher.hash(new_password_bytes(password))
        return self._make(username, key, email, mail, hashed, "user", self._default_budget)

    def sign_in(self, identity: str, password: str, address: str, *, refresh: bool = True) -> SignedIn:
        """Sign in by name or e-mail address. Raises Unauthorized, RateLimited for who guesses, Overloaded.

        The same work is done whether the name is unknown, the password wrong or the user disabled.
        """
        raw = password_bytes(password)
        found = self._users.by_identity(_findable(identity))
        user, stored = found if found else (None, None)
        counted_by = f"user:{user.id}" if user else f"name:{identity_key(identity[:MAX_EMAIL])}"
        self._guard.look(counted_by, address)
        right = self._hasher.matches(raw, stored)
        if user is None or not right or not user.active:
            self._guard.miss(counted_by, address)
            raise Unauthorized("The name or the password is wrong.")
        self._guard.passed(counted_by, address)
        return self._sessions.begin(user, refresh=refresh)

    def profile(self, caller: Caller) -> User:
        user = self._users.get(caller.user_id)
        if user is None:
            raise NotFound("There is no such user.")
        return user

    def change_profile(
        self,
        caller: Caller,
        address: str,
        *,
        email: str | None = None,
        password: str | None = None,
        current_password: str | None = None,
    ) -> User:
        """Change the address or the password; None leaves it. A new password ends all sign-ins, API keys stay.

        Raises InvalidRequest, Conflict (`email`), Forbidden for a guest or a wrong `current_password`, RateLimited.
        """
        if caller.is_guest:
            raise Forbidden("A guest has no profile to change.")
        changes: UserChanges = {}
        if email is not None:
            changes |= {"email": email, "email_key": email_key(email)}
        if password is not None:
            raw = new_password_bytes(password)
            self._check_current(caller, address, current_password)
            changes["password_hash"] = self._hasher.hash(raw)
        if not changes:
            raise InvalidRequest("There is nothing to change.")
        user = self._users.change(caller.user_id, changes)
        if password is not None:
            self._revoked()
        return user

    def _check_current(self, caller: Caller, address: str, password: str | None) -> None:
        if password is None:
            raise InvalidRequest("Give the current password too.", field="current_password")
        raw = password_bytes(password, field="current_password")
        found = self._users.with_password(caller.user_id)
        counted_by = f"user:{caller.user_id}"
        self._guard.look(counted_by, address)
        if not self._hasher.matches(raw, found[1] if found else None):
            self._guard.miss(counted_by, address)
            raise Forbidden("The current password is wrong.", field="current_password")
        self._guard.passed(counted_by, address)

    def amend_user(self, user_id: str, changes: UserChanges) -> User:
        """An admin's change of role, state, limits or budget. Raises NotFound."""
        user = self._users.change(user_id, changes)
        self._revoked()
        return user

    def create_admin(self, username: str, password: str | None) -> tuple[User, str | None]:
        """Make the first admin, with a password of ours where none is given: it is in the reply and nowhere else.

        Safe to run again: a user of this name is given back as it stands, with None.
        """
        existing = self._users.by_name(name_key(username))
        if existing is not None:
            return existing, None
        chosen = password if password is not None else _generated_password()
        hashed = self._hasher.hash(new_password_bytes(chosen))
        user = self._make(username, name_key(username), None, None, hashed, "admin", None)
        return user, chosen if password is None else None

    def ensure_guest(self) -> User:
        """Make the user that calls without a token act as, where it is not there yet."""
        existing = self._users.get(GUEST_ID)
        if existing is not None:
            return existing
        new = NewUser(GUEST_ID, "guest", "guest", None, None, None, "guest", self._default_budget, utcnow())
        try:
            return self._users.add(new)
        except Conflict:  # another worker was quicker
            return self._users.get(GUEST_ID) or self.ensure_guest()

    def _make(
        self,
        username: str,
        key: str,
        email: str | None,
        mail_key: str | None,
        password_hash: str,
        role: Role,
        budget: Budget | None,
    ) -> User:
        return self._users.add(NewUser(new_id(), username, key, email, mail_key, password_hash, role, budget, utcnow()))


def _findable(identity: str) -> str:
    """The key to look for. What can be nobody's name is looked for as well, under a name that nobody has: the same
    work, and no NUL reaches a store."""
    key = identity_key(identity[: MAX_EMAIL + 1])
    return key if "\0" not in key and len(identity) <= MAX_EMAIL else "/"


def _generated_password() -> str:
    return f"{new_secret(15)}-aA1"
