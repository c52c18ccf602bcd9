"""Users, keys, the installation's budget and the audit, as admins see and change them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from marshmallow import fields, post_load, validate

from app.domain.accounts import ApiKey, User
from app.domain.audit import Act
from app.domain.caller import Budget
from app.domain.money import usd
from app.schemas.accounts import BudgetField, BudgetShape, KeyShape, NewKeyBody, ProfileShape, shown_key, shown_profile
from app.schemas.base import Choice, Flag, ListQuery, Moment, Schema, Text, Whole, enveloped, page_of
from app.utils.clock import rfc3339

_MOST = 1_000_000_000


class _Bounds(Schema):
    """null takes a bound away."""

    rpm = Whole(least=0, most=_MOST, allow_none=True)
    tpm = Whole(least=0, most=_MOST, allow_none=True)
    concurrency = Whole(least=0, most=_MOST, allow_none=True)
    budget = fields.Nested(BudgetField, allow_none=True)

    @post_load
    def _columns(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return data | _budget_columns(data.pop("budget")) if "budget" in data else data


class UserChangeBody(_Bounds):
    role = Choice("user", "admin")
    active = Flag()


class KeyChangeBody(_Bounds):
    name = Text(least=1, most=128)
    models = fields.List(Text(least=1, most=300), validate=validate.Length(max=1000), allow_none=True)
    expires_at = Moment(allow_none=True)


class KeyForUserBody(NewKeyBody):
    user_id = Text(required=True, least=1, most=36)

    @post_load
    def _wish(self, data: dict[str, Any], **more: Any) -> dict[str, Any]:
        user_id = data.pop("user_id")
        return {"user_id": user_id, "wish": super()._wish(data, **more)}


class KeysQuery(ListQuery):
    user_id = Text(most=36, metadata={"description": "The keys of this user alone."})


class AdminUserShape(ProfileShape):
    active = fields.Boolean()


class AdminKeyShape(KeyShape):
    user_id = fields.String()
    username = fields.String()
    revoked = fields.Boolean()


class AdminNewKeyShape(AdminKeyShape):
    key = fields.String(metadata={"description": "The key itself, shown this once."})


class InstallationShape(Schema):
    budget = fields.Nested(BudgetShape, allow_none=True, required=True)
    spent = fields.Float(metadata={"description": "USD in the budget's present period; only where there is a budget"})
    left = fields.Float(metadata={"description": "USD left of the budget; only where there is one"})


class ActShape(Schema):
    id = fields.String(required=True)
    at = Moment(required=True)
    actor = fields.String(required=True, metadata={"description": "The admin's name at that time."})
    actor_id = fields.String(required=True)
    action = fields.String(required=True)
    target = fields.String(required=True)
    before = fields.Dict(required=True, allow_none=True, metadata={"description": "Of what changed; no secrets."})
    after = fields.Dict(required=True, allow_none=True)


UserReply = enveloped(AdminUserShape(), "AdminUserReply")
UserPage = page_of(AdminUserShape(), "AdminUser")
KeyReply = enveloped(AdminKeyShape(), "AdminKeyReply")
NewKeyReply = enveloped(AdminNewKeyShape(), "AdminNewKeyReply")
KeyPage = page_of(AdminKeyShape(), "AdminKey")
InstallationReply = enveloped(InstallationShape(), "InstallationBudgetReply")
AuditPage = page_of(ActShape(), "Audit")


def _budget_columns(budget: Budget | None) -> dict[str, Any]:
    return {
        "budget_amount": None if budget is None else budget.amount,
        "budget_period": None if budget is None else budget.period,
    }


def budget_in(changes: Mapping[str, Any]) -> Budget | None:
    """The budget among a change's columns."""
    if changes.get("budget_amount") is None:
        return None
    return Budget(changes["budget_amount"], changes["budget_period"])


def shown_user(user: User, spent: int | None) -> dict[str, Any]:
    """spent: nano-USD, None where there is no budget."""
    return shown_profile(user, spent) | {"active": user.active}


def shown_owned_key(key: ApiKey, user: User, spent: int | None) -> dict[str, Any]:
    return shown_key(key, spent) | {"user_id": user.id, "username": user.username, "revoked": key.revoked}


def shown_installation(budget: Budget | None, spent: int) -> dict[str, Any]:
    if budget is None:
        return {"budget": None}
    return {
        "budget": {"amount": usd(budget.amount), "period": budget.period},
        "spent": usd(spent),
        "left": usd(max(budget.amount - spent, 0)),
    }


def shown_act(act: Act) -> dict[str, Any]:
    return {
        "id": act.id,
        "at": rfc3339(act.at),
        "actor": act.actor.username,
        "actor_id": act.actor.user_id,
        "action": act.action,
        "target": act.target,
        "before": _in_usd(act.before),
        "after": _in_usd(act.after),
    }


def _in_usd(facts: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Amounts and prices are kept in nano-USD and shown in USD, like everywhere."""
    if facts is None:
        return None
    return {
        name: usd(cast(int, value)) if name in _MONEY and value is not None else value for name, value in facts.items()
    }


_MONEY = frozenset(
    {"amount", "budget_amount", "price_input", "price_output", "price_cached_input", "price_image", "price_minute"}
)
