"""Users, keys and the budget of everybody, for admins."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.domain.accounts import ApiKey, User
from app.domain.audit import Actor
from app.domain.caller import Budget
from app.middleware.caller import admins_only, require_admin
from app.repositories.budgets import Budgets
from app.repositories.spending import Spending
from app.schemas import admin
from app.schemas.accounts import BudgetField
from app.schemas.base import ListQuery, empty, paged, place, success
from app.schemas.blueprint import Blueprint
from app.services.accounts.admin import AccountAdmin
from app.utils.clock import utcnow


def blueprint(accounts: AccountAdmin, budgets: Budgets, spending: Spending) -> Blueprint:
    blp = Blueprint("admin", __name__, url_prefix="/api/admin", description="For admins: every act is in the audit.")
    _users(blp, accounts, spending)
    _keys(blp, accounts, spending)
    _budget(blp, accounts, budgets, spending)
    return blp


def acting() -> Actor:
    """The admin who calls."""
    caller = require_admin()
    return Actor(caller.user_id, caller.username)


def _users(blp: Blueprint, accounts: AccountAdmin, spending: Spending) -> None:
    def shown(user: User) -> dict[str, Any]:
        spent = spending.of_user(user.id, user.budget, utcnow()) if user.budget else None
        return admin.shown_user(user, spent)

    @blp.get("/users")
    @blp.doc(summary="All users, newest first")
    @admins_only
    @blp.arguments(ListQuery, location="query")
    @blp.response(200, admin.UserPage)
    def users(query: dict[str, Any]) -> Response:
        found = accounts.users(query["limit"] + 1, place(query))
        return paged(found, query, lambda user: user.id, shown)

    @blp.get("/users/<user_id>")
    @blp.doc(summary="One user")
    @blp.response(200, admin.UserReply)
    @admins_only
    def user(user_id: str) -> Response:
        return success(shown(accounts.user(user_id)))

    @blp.patch("/users/<user_id>")
    @blp.doc(
        summary="Change a user's role, state, limits or budget",
        description="null takes a limit or the budget away. A new role or state ends all sign-ins of the user.",
    )
    @admins_only
    @blp.arguments(admin.UserChangeBody)
    @blp.response(200, admin.UserReply)
    def change_user(changes: dict[str, Any], user_id: str) -> Response:
        return success(shown(accounts.change_user(user_id, changes, acting())))  # type: ignore[arg-type]


def _keys(blp: Blueprint, accounts: AccountAdmin, spending: Spending) -> None:
    def shown(found: tuple[ApiKey, User]) -> dict[str, Any]:
        key, user = found
        spent = spending.of_key(key.id, key.budget, utcnow()) if key.budget else None
        return admin.shown_owned_key(key, user, spent)

    @blp.get("/keys")
    @blp.doc(summary="Everybody's keys, revoked ones too, newest first")
    @admins_only
    @blp.arguments(admin.KeysQuery, location="query")
    @blp.response(200, admin.KeyPage)
    def keys(query: dict[str, Any]) -> Response:
        found = accounts.keys(query["limit"] + 1, place(query), query.get("user_id"))
        return paged(found, query, lambda pair: pair[0].id, shown)

    @blp.post("/keys")
    @blp.doc(summary="Make a key for a user; it is shown this once")
    @admins_only
    @blp.arguments(admin.KeyForUserBody)
    @blp.response(201, admin.NewKeyReply)
    def make_key(body: dict[str, Any]) -> Response:
        key, user, secret = accounts.make_key(body["user_id"], body["wish"], acting())
        return success(shown((key, user)) | {"key": secret}, 201, {"Cache-Control": "no-store"})

    @blp.get("/keys/<key_id>")
    @blp.doc(summary="One key")
    @blp.response(200, admin.KeyReply)
    @admins_only
    def key(key_id: str) -> Response:
        return success(shown(accounts.key(key_id)))

    @blp.patch("/keys/<key_id>")
    @blp.doc(summary="Change a key's name, limits, budget, models or end")
    @admins_only
    @blp.arguments(admin.KeyChangeBody)
    @blp.response(200, admin.KeyReply)
    def change_key(changes: dict[str, Any], key_id: str) -> Response:
        changed = accounts.change_key(key_id, changes, admin.budget_in(changes), acting())  # type: ignore[arg-type]
        return success(shown(changed))

    @blp.delete("/keys/<key_id>")
    @blp.doc(summary="Revoke a key: refused everywhere within a second")
    @blp.response(204)
    @admins_only
    def revoke_key(key_id: str) -> Response:
        accounts.revoke_key(key_id, acting())
        return empty()


def _budget(blp: Blueprint, accounts: AccountAdmin, budgets: Budgets, spending: Spending) -> None:
    def shown(budget: Budget | None) -> Response:
        spent = spending.of("global", "", budget, utcnow().date()) if budget else 0
        return success(admin.shown_installation(budget, spent))

    @blp.get("/budget")
    @blp.doc(summary="What everybody together may spend, and has spent")
    @blp.response(200, admin.InstallationReply)
    @admins_only
    def budget() -> Response:
        return shown(budgets.installation())

    @blp.patch("/budget")
    @blp.doc(summary="Set what everybody together may spend; 0 lets nothing be spent")
    @admins_only
    @blp.arguments(BudgetField)
    @blp.response(200, admin.InstallationReply)
    def set_budget(wish: Budget) -> Response:
        accounts.set_budget(wish, acting())
        return shown(wish)

    @blp.delete("/budget")
    @blp.doc(summary="Take the bound away")
    @blp.response(204)
    @admins_only
    def no_budget() -> Response:
        accounts.set_budget(None, acting())
        return empty()
