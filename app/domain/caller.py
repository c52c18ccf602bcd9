"""Who is calling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["user", "admin", "guest"]
Period = Literal["day", "month", "total"]
Scope = Literal["key", "user", "global", "model"]


@dataclass(frozen=True, slots=True)
class Limits:
    """A caller's own limits; None means the setting's default (rpm) or no limit (the others)."""

    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """A hard cap. amount: whole nano-USD; period: day, month or total."""

    amount: int
    period: Period


@dataclass(frozen=True, slots=True)
class Bound:
    """What all chats of one key, one user, one model or the whole installation ("global") together may take.

    limits: with the default in place, so that None means no limit.
    """

    scope: Scope
    id: str
    limits: Limits = Limits()
    budget: Budget | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """limit, left: requests or tokens of any 60 seconds; reset: seconds until the oldest that counts leaves them."""

    limit: int
    left: int
    reset: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How a caller stands after an admission, by the limit with the least left; None where there is no limit."""

    requests: Quota | None = None
    tokens: Quota | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """A known caller, as every layer below the door sees it.

    key_id: the API key that was shown, None for a JWT or a guest.
    family: the refresh family of a JWT, what logout ends.
    models: the only models this key may use, None for all.
    expires_at: unix seconds after which the token is no longer good, None for never.
    """

    user_id: str
    username: str
    role: Role
    key_id: str | None = None
    family: str | None = None
    models: frozenset[str] | None = None
    limits: Limits = Limits()
    key_limits: Limits = Limits()
    budget: Budget | None = None
    key_budget: Budget | None = None
    expires_at: float | None = None

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"

    @property
    def is_guest(self) -> bool:
        return self.role == "guest"
