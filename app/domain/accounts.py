"""Users, sessions and keys, as services and doors see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from app.domain.caller import Budget, Limits, Role

GUEST_ID = "guest"
"""The id of the user that calls without a token act as."""

MAX_KEYS = 100
"""Live keys that a user may have."""

NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class User:
    """A user's row without the password. email is None only for those made at the short door or by the seed."""

    id: str
    username: str
    email: str | None
    role: Role
    active: bool
    limits: Limits
    budget: Budget | None
    token_epoch: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewUser:
    """What a registration stores. name_key, email_key: see policies.names."""

    id: str
    username: str
    name_key: str
    email: str | None
    email_key: str | None
    password_hash: str | None
    role: Role
    budget: Budget | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a caller wishes an API key to be. models None: all."""

    name: str
    expires_at: datetime | None = None
    limits: Limits = NO_LIMITS
    budget: Budget | None = None
    models: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key's row; the key itself is known to nobody but its owner. prefix: its first ten characters."""

    id: str
    user_id: str
    name: str
    prefix: str
    limits: Limits
    budget: Budget | None
    models: tuple[str, ...] | None
    expires_at: datetime | None
    revoked: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Family:
    """A sign-in. used: (generation, unix milliseconds) of the refresh tokens used of late, oldest first."""

    id: str
    user_id: str
    generation: int
    used: tuple[tuple[int, int], ...]
    token_epoch: int
    dead: bool
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token of ours says, its signature and times checked. expires_at: unix seconds."""

    kind: Literal["access", "refresh"]
    user_id: str
    family: str
    generation: int
    expires_at: int
