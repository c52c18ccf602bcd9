"""Who may call."""

from __future__ import annotations

from flask import Flask

from app.bootstrap.house import Stores
from app.domain.caller import Budget
from app.middleware.tokens import JwtCodec
from app.services.accounts import room as accounts_room
from app.services.accounts.room import Accounts
from app.settings import Settings
from app.stores.group_trip import GroupTrip
from app.stores.login_guard import LoginGuard
from app.utils.lifecycle import Lifecycle


def accounts_of(app: Flask, settings: Settings, stores: Stores, lifecycle: Lifecycle) -> Accounts:
    refresh_seconds = settings.jwt_refresh_days * 86_400
    access_seconds = settings.jwt_access_minutes * 60
    budget = settings.default_budget
    built = accounts_room.build(
        stores.database,
        stores.hot,
        _guard(settings, stores, lifecycle),
        JwtCodec(app, settings.jwt_secret_key or "", longest=max(refresh_seconds, access_seconds)),
        access_seconds=access_seconds,
        refresh_seconds=refresh_seconds,
        registration_open=settings.registration == "open",
        default_budget=None if budget is None else Budget(budget, "month"),
    )
    lifecycle.on_close("epoch watch", built.watch.stop)
    return built


def _guard(settings: Settings, stores: Stores, lifecycle: Lifecycle) -> LoginGuard:
    """With a connection of its own: a storm of sign-ins is not mistaken for Redis being away, as at a chat's 50 ms."""
    if settings.redis_url is None:
        return LoginGuard(stores.redis)
    patient = GroupTrip(settings.redis_url, timeout=0.5)
    lifecycle.on_close("redis of the guard", patient.close)
    return LoginGuard(patient)
