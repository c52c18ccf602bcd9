"""Who a token belongs to: from memory where it is known, from SQL where it is not."""

from __future__ import annotations

import hashlib
import logging
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, time
from typing import Literal, Protocol

from app.domain.accounts import GUEST_ID, ApiKey, Claims, User
from app.domain.caller import Caller
from app.domain.errors import Unauthorized, Unavailable
from app.domain.hot import Epochs
from app.repositories.api_keys import ApiKeys
from app.repositories.refresh_families import RefreshFamilies
from app.repositories.users import Users

log = logging.getLogger(__name__)

REMEMBERED = 20_000
TRUST = 60.0
LEEWAY = 5.0
_KEY_SHAPE = re.compile(r"sk-[A-Za-z0-9_-]{43}")
_REFUSED = "No valid token: sign in, or show an API key, as `Authorization: Bearer TOKEN`."


class UnknownKey(Unauthorized):
    """An API key that we never gave out: a guess, and counted as one. At the door it is `unauthorized` like any."""


class HotEpochs(Protocol):
    """The counters in Redis. Both raise Unavailable while it is away."""

    def epochs(self) -> Epochs: ...

    def bump(self, name: Literal["auth", "catalogue"], /) -> None: ...


@dataclass(frozen=True, slots=True)
class _Known:
    caller: Caller
    until: float


class CallerRegistry:
    """Remembers callers by the hash of their token, all of them until anything at all is taken back.

    read_access: checks an access token's signature and times, raising Unauthorized; handed in because JWTs are the
        door's business.
    trust: seconds that what is remembered may still be believed after the last word from Redis or SQL.
    """

    def __init__(
        self,
        users: Users,
        keys: ApiKeys,
        families: RefreshFamilies,
        read_access: Callable[[str], Claims],
        hot: HotEpochs,
        *,
        remembered: int = REMEMBERED,
        trust: float = TRUST,
    ) -> None:
        self._users = users
        self._keys = keys
        self._families = families
        self._read_access = read_access
        self._hot = hot
        self._size = remembered
        self._trust = trust
        self._known: dict[bytes, _Known] = {}
        self._confirmed: set[tuple[str, str | None, str | None]] = set()
        self._epochs: dict[str, int] = {}
        self._generation = 0
        self._trusted_until = monotonic() + trust
        self.owes_bump = False

    def resolve(self, token: str) -> Caller:
        """The caller who shows this token. A known one costs no trip.

        Raises Unauthorized, UnknownKey, and Unavailable where nobody here remembers the token and SQL is away.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None and time() < known.until and monotonic() < self._trusted_until:
            return known.caller
        generation = self._generation
        caller = self._look_up(token, digest)
        self._remember(digest, caller, generation)
        return caller

    def guest(self) -> Caller:
        """The caller without a token, with the limits of the user `guest`. Raises Unauthorized where it is disabled."""
        known = self._known.get(b"")
        if known is not None and monotonic() < self._trusted_until:
            return known.caller
        generation = self._generation
        caller = self._load_guest()
        self._remember(b"", caller, generation)
        return caller

    def confirm(self, caller: Caller) -> None:
        """Raise Unauthorized where the caller was revoked since the token was shown: a running stream asks at each
        slice. A look-up in memory while nothing changed, then one trip to SQL. With SQL away the caller goes on."""
        name = (caller.user_id, caller.key_id, caller.family)
        if name in self._confirmed:
            return
        generation = self._generation
        try:
            now = self._reload(caller)
        except Unavailable:
            return
        if now.role != caller.role:
            raise Unauthorized(_REFUSED)
        if generation == self._generation:
            self._confirmed.add(name)

    @property
    def trusted(self) -> bool:
        """Whether callers are still known from memory: Redis or SQL was heard of within the last minute."""
        return monotonic() < self._trusted_until

    def saw_epoch(self, n: int, source: str = "redis") -> None:
        """Take notice of a counter of revocations, as Redis or SQL has it; a new number means that all is forgotten."""
        self._trusted_until = monotonic() + self._trust
        if self._epochs.get(source) != n:
            self._epochs[source] = n
            self.forget()

    def revoked(self) -> None:
        """Say to every worker that something was taken back, after the commit that did it."""
        self.forget()
        self.owes_bump = True
        self.pay_bump()

    def pay_bump(self) -> None:
        """Raise Redis's counter where that is owed. While Redis is away workers learn it from SQL's."""
        if not self.owes_bump:
            return
        try:
            self._hot.bump("auth")
        except Unavailable:
            log.warning("redis is away: revocations are told through SQL")
        else:
            self.owes_bump = False

    def forget(self) -> None:
        self._generation += 1
        self._known.clear()
        self._confirmed.clear()

    def _remember(self, digest: bytes, caller: Caller, generation: int) -> None:
        # What was read before a revocation may have been seen must not outlive it.
        if generation != self._generation:
            return
        while len(self._known) >= self._size:
            del self._known[next(iter(self._known))]
        if len(self._confirmed) >= self._size:
            self._confirmed.clear()
        until = math.inf if caller.expires_at is None else caller.expires_at
        self._known[digest] = _Known(caller, until)
        self._confirmed.add((caller.user_id, caller.key_id, caller.family))

    def _look_up(self, token: str, digest: bytes) -> Caller:
        if token.startswith("sk-"):
            found = self._keys.by_hash(digest) if _KEY_SHAPE.fullmatch(token) else None
            if found is None:
                raise UnknownKey(_REFUSED)
            return _key_caller(*found)
        claims = self._read_access(token)
        return self._session_caller(claims.user_id, claims.family, claims.expires_at + LEEWAY)

    def _session_caller(self, user_id: str, family: str, expires_at: float | None) -> Caller:
        user = self._families.live(family)
        if user is None or user.id != user_id:
            raise Unauthorized(_REFUSED)
        return Caller(
            user_id=user.id,
            username=user.username,
            role=user.role,
            family=family,
            limits=user.limits,
            budget=user.budget,
            expires_at=expires_at,
        )

    def _load_guest(self) -> Caller:
        user = self._users.get(GUEST_ID)
        if user is None or not user.active:
            raise Unauthorized(_REFUSED)
        return Caller(GUEST_ID, user.username, "guest", limits=user.limits, budget=user.budget)

    def _reload(self, caller: Caller) -> Caller:
        if caller.is_guest:
            return self._load_guest()
        if caller.key_id is None:
            return self._session_caller(caller.user_id, caller.family or "", None)
        found = self._keys.by_id(caller.key_id)
        if found is None:
            raise Unauthorized(_REFUSED)
        return _key_caller(*found, running=True)


def _key_caller(key: ApiKey, user: User, *, running: bool = False) -> Caller:
    """running: a chat that began before the key expired may end."""
    expires_at = key.expires_at.timestamp() if key.expires_at else None
    expired = expires_at is not None and expires_at <= time() and not running
    if key.revoked or expired or not user.active:
        raise Unauthorized(_REFUSED)
    return Caller(
        user_id=user.id,
        username=user.username,
        role=user.role,
        key_id=key.id,
        models=None if key.models is None else frozenset(key.models),
        limits=user.limits,
        key_limits=key.limits,
        budget=user.budget,
        key_budget=key.budget,
        expires_at=expires_at,
    )
