"""Users, sign-ins and keys at the doors."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from marshmallow import EXCLUDE, ValidationError, fields, post_load, validate

from app.domain.accounts import ApiKey, NewKey, User
from app.domain.caller import Budget, Limits
from app.domain.money import NANO, usd
from app.schemas.base import Choice, Flag, Moment, Schema, Text, Usd, Whole, enveloped, page_of
from app.services.accounts.sessions import SignedIn
from app.utils.clock import rfc3339

# Lengths that are refused before anything is made of the text; the policies say the rest.
_LONGEST = 4096
_MOST = 1_000_000_000


class _WithPassword(Schema):
    nul_ok: ClassVar[frozenset[str]] = frozenset({"password", "current_password"})


class RegisterBody(_WithPassword):
    username = Text(required=True, most=_LONGEST)
    email = Text(required=True, most=_LONGEST)
    password = Text(required=True, nul_ok=True)
    cookie = Flag(load_default=False)


class LoginBody(_WithPassword):
    # In a name at sign-in NUL is a wrong name like any other.
    nul_ok: ClassVar[frozenset[str]] = frozenset({"username", "password"})

    username = Text(required=True, nul_ok=True, metadata={"description": "The name or the e-mail address."})
    password = Text(required=True, nul_ok=True)
    cookie = Flag(load_default=False)


class RefreshBody(Schema):
    refresh_token = Text(most=_LONGEST)
    cookie = Flag(load_default=False)


class ProfileBody(_WithPassword):
    email = Text(most=_LONGEST)
    password = Text(nul_ok=True)
    current_password = Text(nul_ok=True)


class ShortRegisterBody(_WithPassword):
    username = Text(required=True, most=_LONGEST)
    password = Text(required=True, nul_ok=True)


class TokenForm(Schema):
    """An OAuth2 password form; its other fields, as grant_type, may stand."""

    class Meta:
        unknown = EXCLUDE

    username = Text(required=True, nul_ok=True)
    password = Text(required=True, nul_ok=True)


class BudgetField(Schema):
    amount = Usd(required=True)
    period = Choice("day", "month", "total", required=True)

    @post_load
    def _whole_nano(self, data: dict[str, Any], **_: Any) -> Budget:
        amount: Decimal = data["amount"] * NANO
        if amount != amount.to_integral_value():
            raise ValidationError("Must be whole billionths of a USD.", "amount")
        return Budget(amount=int(amount), period=data["period"])


class NewKeyBody(Schema):
    name = Text(required=True, least=1, most=128)
    expires_at = Moment()
    rpm = Whole(least=0, most=_MOST)
    tpm = Whole(least=0, most=_MOST)
    concurrency = Whole(least=0, most=_MOST)
    budget = fields.Nested(BudgetField)
    models = fields.List(Text(least=1, most=300), validate=validate.Length(max=1000))

    @post_load
    def _wish(self, data: dict[str, Any], **_: Any) -> NewKey:
        models = data.get("models")
        return NewKey(
            name=data["name"],
            expires_at=data.get("expires_at"),
            limits=Limits(rpm=data.get("rpm"), tpm=data.get("tpm"), concurrency=data.get("concurrency")),
            budget=data.get("budget"),
            models=None if models is None else tuple(dict.fromkeys(models)),
        )


class BudgetShape(Schema):
    amount = fields.Float(metadata={"description": "USD"})
    period = fields.String()


class UserShape(Schema):
    id = fields.String()
    username = fields.String()
    email = fields.String(allow_none=True)
    role = fields.String(validate=validate.OneOf(["user", "admin", "guest"]))
    created_at = Moment()


class ProfileShape(UserShape):
    rpm = fields.Integer(allow_none=True)
    tpm = fields.Integer(allow_none=True)
    concurrency = fields.Integer(allow_none=True)
    budget = fields.Nested(BudgetShape, allow_none=True)
    spent = fields.Float(metadata={"description": "USD in the budget's present period; only where there is a budget"})
    left = fields.Float(metadata={"description": "USD left of the budget; only where there is one"})


class SignedInShape(Schema):
    user = fields.Nested(UserShape)
    access_token = fields.String()
    refresh_token = fields.String(metadata={"description": "Left out where `cookie` put it into a cookie."})
    expires_in = fields.Integer(metadata={"description": "Seconds until the access token ends."})


class KeyShape(Schema):
    id = fields.String()
    name = fields.String()
    prefix = fields.String(metadata={"description": "The key's first ten characters."})
    rpm = fields.Integer(allow_none=True)
    tpm = fields.Integer(allow_none=True)
    concurrency = fields.Integer(allow_none=True)
    budget = fields.Nested(BudgetShape, allow_none=True)
    spent = fields.Float()
    left = fields.Float()
    models = fields.List(fields.String(), allow_none=True)
    expires_at = Moment(allow_none=True)
    created_at = Moment()


class NewKeyShape(KeyShape):
    key = fields.String(metadata={"description": "The key itself, shown this once."})


class ShortUserShape(Schema):
    id = fields.String()
    username = fields.String()


class ShortTokenShape(Schema):
    access_token = fields.String()
    token_type = fields.String(validate=validate.Equal("bearer"))
    expires_in = fields.Integer()


SignedInReply = enveloped(SignedInShape(), "SignedInReply")
ProfileReply = enveloped(ProfileShape(), "ProfileReply")
NewKeyReply = enveloped(NewKeyShape(), "NewKeyReply")
KeyPage = page_of(KeyShape(), "Key")


def shown_user(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "role": user.role,
        "created_at": rfc3339(user.created_at),
    }


def shown_profile(user: User, spent: int | None) -> dict[str, Any]:
    """spent: nano-USD, None where there is no budget."""
    return shown_user(user) | _shown_bounds(user.limits, user.budget, spent)


def shown_key(key: ApiKey, spent: int | None) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "prefix": key.prefix,
        **_shown_bounds(key.limits, key.budget, spent),
        "models": None if key.models is None else list(key.models),
        "expires_at": _moment(key.expires_at),
        "created_at": rfc3339(key.created_at),
    }


def shown_sign_in(signed: SignedIn, *, in_body: bool) -> dict[str, Any]:
    """in_body: whether the refresh token stands in the body and not in a cookie."""
    tokens = {"access_token": signed.access_token, "expires_in": signed.expires_in}
    if in_body:
        tokens["refresh_token"] = signed.refresh_token or ""
    return {"user": shown_user(signed.user), **tokens}


def _shown_bounds(limits: Limits, budget: Budget | None, spent: int | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"rpm": limits.rpm, "tpm": limits.tpm, "concurrency": limits.concurrency, "budget": None}
    if budget is not None:
        shown["budget"] = {"amount": usd(budget.amount), "period": budget.period}
        shown["spent"] = usd(spent or 0)
        shown["left"] = usd(max(budget.amount - (spent or 0), 0))
    return shown


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
