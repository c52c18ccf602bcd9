"""The accounts room, put together."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.caller import Budget
from app.repositories.api_keys import ApiKeys
from app.repositories.database import Database
from app.repositories.epochs import EpochRows
from app.repositories.installation import Installation
from app.repositories.refresh_families import RefreshFamilies
from app.repositories.spending import Spending
from app.repositories.users import Users
from app.services.accounts.admin import AccountAdmin
from app.services.accounts.callers import CallerRegistry, HotEpochs
from app.services.accounts.hashing import THREADS, PasswordHasher
from app.services.accounts.keys import KeyService
from app.services.accounts.service import AccountService
from app.services.accounts.sessions import Sessions, TokenCodec
from app.services.accounts.watch import EpochWatch
from app.stores.login_guard import LoginGuard
from app.utils.pools import ThreadLane


@dataclass(frozen=True, slots=True)
class Accounts:
    """What the doors and the chat need of it. `watch.start()` belongs to each process that serves."""

    service: AccountService
    sessions: Sessions
    keys: KeyService
    registry: CallerRegistry
    watch: EpochWatch
    guard: LoginGuard
    spending: Spending
    admin: AccountAdmin


def build(
    database: Database,
    hot: HotEpochs,
    guard: LoginGuard,
    codec: TokenCodec,
    *,
    access_seconds: int,
    refresh_seconds: int,
    registration_open: bool = True,
    default_budget: Budget | None = None,
) -> Accounts:
    """access_seconds, refresh_seconds: lives of the two kinds of token. default_budget: a new user's."""
    users, families, keys = Users(database), RefreshFamilies(database), ApiKeys(database)
    registry = CallerRegistry(users, keys, families, lambda token: codec.read(token, "access"), hot)
    sessions = Sessions(
        families, codec, registry.revoked, access_seconds=access_seconds, refresh_seconds=refresh_seconds
    )
    service = AccountService(
        users,
        sessions,
        PasswordHasher(ThreadLane(THREADS)),
        guard,
        registry.revoked,
        registration_open=registration_open,
        default_budget=default_budget,
    )
    making = KeyService(keys, users, registry.revoked)
    return Accounts(
        service=service,
        sessions=sessions,
        keys=making,
        registry=registry,
        watch=EpochWatch(registry, hot, EpochRows(database)),
        guard=guard,
        spending=Spending(database),
        admin=AccountAdmin(users, keys, making, Installation(database), registry.revoked),
    )
