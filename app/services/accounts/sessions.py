"""Sign-ins: a pair of tokens, the next pair, the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import time_ns
from typing import Protocol

from app.domain.accounts import Claims, Family, User
from app.domain.caller import Caller
from app.domain.errors import Forbidden, Unauthorized
from app.repositories.refresh_families import RefreshFamilies
from app.utils.ids import new_id


class TokenCodec(Protocol):
    """Tokens as text. The same claims give the same text, so that a repeated refresh gets the pair it got."""

    def write(self, claims: Claims, issued_at: int) -> str: ...

    def read(self, token: str, kind: str) -> Claims:
        """Raises Unauthorized for whatever is not ours, not of this kind, or not valid now."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """expires_in: seconds until the access token ends. refresh_token None: the short door gives none."""

    user: User
    access_token: str
    refresh_token: str | None
    expires_in: int


class Sessions:
    """access_seconds, refresh_seconds: how long a token of the kind lives. revoked: tells every worker."""

    def __init__(
        self,
        families: RefreshFamilies,
        codec: TokenCodec,
        revoked: Callable[[], None],
        *,
        access_seconds: int,
        refresh_seconds: int,
    ) -> None:
        self._families = families
        self._codec = codec
        self._revoked = revoked
        self._access_seconds = access_seconds
        self.refresh_seconds = refresh_seconds

    def begin(self, user: User, *, refresh: bool = True) -> SignedIn:
        """Sign a user in whose password was right. refresh False: the access token alone, and nothing outlives it."""
        now = time_ns() // 1_000_000
        family = new_id()
        lives = self.refresh_seconds if refresh else self._access_seconds
        self._families.begin(
            Family(family, user.id, 0, (), user.token_epoch, dead=False, expires_at=_moment(now, lives)),
            _moment(now, 0),
        )
        return self._pair(user, family, 0, now, refresh=refresh)

    def rotate(self, refresh_token: str) -> SignedIn:
        """The next pair. The same token again within 10 s gets the same pair; later it ends the whole family.

        Raises Unauthorized.
        """
        claims = self._codec.read(refresh_token, "refresh")
        now = time_ns() // 1_000_000
        outcome = self._families.use(claims.family, claims.generation, now, _moment(now, self.refresh_seconds))
        if outcome is None or outcome[1].id != claims.user_id:
            raise _ended()
        rotation, user = outcome
        if rotation.kind == "reuse":
            self._revoked()
        if rotation.kind not in ("fresh", "repeat"):
            raise _ended()
        return self._pair(user, claims.family, rotation.generation, rotation.minted_ms)

    def end(self, caller: Caller) -> None:
        """Logout: every token of the caller's sign-in is refused. Raises Forbidden for a key: it has no sign-in."""
        if caller.family is None:
            raise Forbidden("Only a sign-in can be ended here; an API key is revoked at /api/keys.")
        self._families.end(caller.family)
        self._revoked()

    def _pair(self, user: User, family: str, generation: int, minted_ms: int, *, refresh: bool = True) -> SignedIn:
        issued = minted_ms // 1000
        access = Claims("access", user.id, family, generation, issued + self._access_seconds)
        renewal = Claims("refresh", user.id, family, generation, issued + self.refresh_seconds)
        return SignedIn(
            user=user,
            access_token=self._codec.write(access, issued),
            refresh_token=self._codec.write(renewal, issued) if refresh else None,
            expires_in=self._access_seconds,
        )


def _ended() -> Unauthorized:
    return Unauthorized("The sign-in has ended: sign in again.")


def _moment(ms: int, seconds: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC) + timedelta(seconds=seconds)
