"""Models and providers' keys, as admins see and change them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from marshmallow import ValidationError, fields, post_load, validate

from app.domain.catalogue import Model
from app.domain.money import NANO, Price
from app.schemas.base import Choice, Flag, Moment, Schema, Text, Usd, Whole, enveloped, page_of
from app.schemas.models import shown_price
from app.services.catalogue.admin import Wish
from app.services.catalogue.key_store import StoredKey
from app.services.catalogue.probe import Answer
from app.utils.clock import rfc3339

MOST: Final = 1_000_000_000
INPUTS: Final = ("text", "image", "video", "audio", "file")
OUTPUTS: Final = ("text", "image", "embedding", "transcript")
PROVIDER: Final = validate.Regexp(r"[a-z0-9][a-z0-9_-]{0,63}\Z", error="Must be a word in lower case.")
_FIELDS: Final = ("base_url", "context_window", "max_output", "active", "reasoning", "rpm", "tpm")


class PriceField(Schema):
    """USD a million tokens; image: each; minute: of sound."""

    input = Usd(required=True)
    output = Usd(required=True)
    cached_input = Usd()
    image = Usd()
    minute = Usd()

    @post_load
    def _price(self, data: dict[str, Decimal], **_: Any) -> Price:
        return Price(**{name: _nano(name, amount) for name, amount in data.items()})


class ModalitiesField(Schema):
    in_ = fields.List(Choice(*INPUTS), data_key="in", validate=validate.Length(min=1), required=True)
    out = fields.List(Choice(*OUTPUTS), validate=validate.Length(min=1), load_default=["text"])


class _ModelBody(Schema):
    base_url = Text(least=1, most=2000, allow_none=True)
    api_key = Text(least=1, most=4096, metadata={"description": "Stored sealed; a new base_url needs it again."})
    price = fields.Nested(PriceField, allow_none=True, metadata={"description": "null: unknown"})
    price_input = Usd(metadata={"description": "USD a million tokens; with price_output in place of price."})
    price_output = Usd()
    context_window = Whole(least=1, most=MOST, allow_none=True)
    max_output = Whole(least=1, most=MOST, allow_none=True)
    modalities = fields.Nested(ModalitiesField)
    active = Flag()
    reasoning = Flag()
    rpm = Whole(least=0, most=MOST, allow_none=True)
    tpm = Whole(least=0, most=MOST, allow_none=True)


class NewModelBody(_ModelBody):
    name = Text(required=True, least=1, most=300)
    provider = Text(required=True, validate=PROVIDER)
    verify = Flag(load_default=True, metadata={"description": "One test call; false keeps it untried."})

    @post_load
    def _add(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {"name": data["name"], "provider": data["provider"], "wish": _wish(data)}


class ModelChangeBody(_ModelBody):
    verify = Flag(load_default=False, metadata={"description": "One test call before the change counts."})

    @post_load
    def _change(self, data: dict[str, Any], **_: Any) -> Wish:
        return _wish(data)


class ProviderKeyBody(Schema):
    provider = Text(required=True, validate=PROVIDER)
    key = Text(required=True, least=1, most=4096)
    base_url = Text(least=1, most=2000, metadata={"description": "The one address it is for; else the provider's own."})


class ProviderKeyChangeBody(Schema):
    key = Text(required=True, least=1, most=4096)


class PriceShape(Schema):
    input = fields.Float()
    output = fields.Float()
    cached_input = fields.Float()
    image = fields.Float()
    minute = fields.Float()


class ModalitiesShape(Schema):
    in_ = fields.List(fields.String(), data_key="in")
    out = fields.List(fields.String())


class ModelShape(Schema):
    id = fields.String(required=True)
    name = fields.String(required=True)
    provider = fields.String(required=True)
    base_url = fields.String(required=True, allow_none=True)
    price = fields.Nested(PriceShape, required=True, allow_none=True)
    context_window = fields.Integer(required=True, allow_none=True)
    max_output = fields.Integer(required=True, allow_none=True)
    modalities = fields.Nested(ModalitiesShape, required=True)
    active = fields.Boolean(required=True)
    reasoning = fields.Boolean(required=True)
    rpm = fields.Integer(required=True, allow_none=True)
    tpm = fields.Integer(required=True, allow_none=True)
    available = fields.Boolean(required=True)
    reason = fields.String(metadata={"description": "Why it is not available."})


class ModelTestShape(Schema):
    ok = fields.Boolean(required=True)
    latency_ms = fields.Integer(required=True)
    text = fields.String(required=True)


class ProviderKeyShape(Schema):
    id = fields.String(required=True)
    provider = fields.String(required=True)
    key = fields.String(required=True, metadata={"description": "Masked."})
    address = fields.String(required=True, allow_none=True, metadata={"description": "null: the provider's own."})
    readable = fields.Boolean(required=True, metadata={"description": "false: sealed with another SECRET_KEY."})
    created_at = Moment(required=True)


ModelReply = enveloped(ModelShape(), "AdminModelReply")
ModelPage = page_of(ModelShape(), "AdminModel")
TestReply = enveloped(ModelTestShape(), "ModelTestReply")
ProviderKeyReply = enveloped(ProviderKeyShape(), "ProviderKeyReply")
ProviderKeyPage = page_of(ProviderKeyShape(), "ProviderKey")


def _wish(data: Mapping[str, Any]) -> Wish:
    wanted = {name: data[name] for name in _FIELDS if name in data}
    if "price" in data:
        wanted["price"] = data["price"]
    elif "price_input" in data or "price_output" in data:
        wanted["price"] = two_prices(data)
    if "modalities" in data:
        wanted["inputs"] = frozenset(data["modalities"]["in_"])
        wanted["outputs"] = frozenset(data["modalities"]["out"])
        wanted["abilities_known"] = True
    return Wish(wanted, data.get("api_key"), data["verify"])


def two_prices(data: Mapping[str, Any]) -> Price:
    for name in ("price_input", "price_output"):
        if name not in data:
            raise ValidationError("Give both, price_input and price_output.", name)
    return Price(*(_nano(name, data[name]) for name in ("price_input", "price_output")))


def _nano(name: str, amount: Decimal) -> int:
    whole = amount * NANO
    if whole != whole.to_integral_value():
        raise ValidationError("Must be whole billionths of a USD.", name)
    return int(whole)


def shown_model(model: Model) -> dict[str, Any]:
    shown = {
        "id": model.id,
        "name": model.name,
        "provider": model.integration,
        "base_url": model.base_url,
        "price": shown_price(model.price),
        "context_window": model.context_window,
        "max_output": model.max_output,
        "modalities": {"in": sorted(model.inputs), "out": sorted(model.outputs)},
        "active": model.active,
        "reasoning": model.reasoning,
        "rpm": model.rpm,
        "tpm": model.tpm,
        "available": model.available,
    }
    return shown if model.available else shown | {"reason": model.unavailable or "switched off"}


def shown_test(answer: Answer) -> dict[str, Any]:
    return {"ok": True, "latency_ms": answer.latency_ms, "text": answer.text}


def shown_provider_key(key: StoredKey) -> dict[str, Any]:
    return {
        "id": key.row.id,
        "provider": key.row.integration,
        "key": key.row.mask,
        "address": key.row.origin,
        "readable": key.readable,
        "created_at": rfc3339(key.row.created_at),
    }
