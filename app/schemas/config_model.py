"""A model by one call, at the short door: as JSON or as a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, fields, post_load
from werkzeug.datastructures import MultiDict

from app.domain.errors import InvalidRequest
from app.schemas.admin_catalogue import INPUTS, OUTPUTS, two_prices
from app.schemas.base import Flag, Schema, Text, Usd, Whole
from app.schemas.chat_docs import BOOLEAN, INTEGER, STRING
from app.schemas.models import shown_price
from app.schemas.validation import invalid
from app.services.catalogue.admin import Wish
from app.services.catalogue.configured import ConfiguredModel

_MOST = 1_000_000_000
_NUMBERS = frozenset({"price_input", "price_output", "context_window"})
_WORDS = {"true": True, "1": True, "false": False, "0": False}


class ModalitiesWish(fields.Field[dict[str, list[str]]]):
    """What it takes, as a list; or what it takes and gives, as `{"in": […], "out": […]}`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, list[str]]:
        told = value if type(value) is dict else {"in": value}
        if told.keys() - {"in", "out"} or "in" not in told:
            raise ValidationError("Must be a list, or an object with in and out.")
        return {"in": _words(told["in"], INPUTS), "out": _words(told.get("out", ["text"]), OUTPUTS)}


class ConfigModelBody(Schema):
    model_name = Text(required=True, least=1, most=300)
    api_key = Text(least=1, most=4096)
    base_url = Text(least=1, most=2000)
    price_input = Usd()
    price_output = Usd()
    context_window = Whole(least=1, most=_MOST)
    modalities = ModalitiesWish()
    verify = Flag(load_default=True)

    @post_load
    def _wish(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        wanted: dict[str, Any] = {name: data[name] for name in ("base_url", "context_window") if name in data}
        if "price_input" in data or "price_output" in data:
            wanted["price"] = two_prices(data)
        if "modalities" in data:
            wanted["inputs"] = frozenset(data["modalities"]["in"])
            wanted["outputs"] = frozenset(data["modalities"]["out"])
            wanted["abilities_known"] = True
        return {"name": data["model_name"], "wish": Wish(wanted, data.get("api_key"), data["verify"])}


_FIELDS: dict[str, Any] = {
    "model_name": STRING,
    "api_key": {**STRING, "description": "Stored sealed. A new base_url needs it again."},
    "base_url": {**STRING, "description": "An OpenAI-compatible address; may be left out where it stays."},
    "price_input": {"type": "number", "description": "USD a million tokens; both prices or none."},
    "price_output": {"type": "number"},
    "context_window": INTEGER,
    "modalities": {"oneOf": [{"type": "array", "items": STRING}, {"type": "object"}]},
    "verify": {**BOOLEAN, "default": True, "description": "One test call first; false keeps it untried."},
}
_SHAPE = {"type": "object", "required": ["model_name"], "properties": _FIELDS, "additionalProperties": False}
BODY = {
    "required": True,
    "content": {
        "application/json": {"schema": _SHAPE},
        "application/x-www-form-urlencoded": {
            "schema": _SHAPE | {"properties": _FIELDS | {"modalities": {**STRING, "description": "text,image"}}}
        },
    },
}
CONFIGURED = {
    "type": "object",
    "properties": {
        "model_name": STRING,
        "id": STRING,
        "provider": STRING,
        "base_url": STRING,
        "api_key": {"type": ["string", "null"], "description": "Masked."},
        "price": {"type": ["object", "null"]},
        "context_window": {"type": ["integer", "null"]},
        "modalities": {"type": "object"},
        "available": BOOLEAN,
        "verified": {**BOOLEAN, "description": "Whether this call tried it."},
    },
}
LIST = {"type": "object", "properties": {"models": {"type": "array", "items": CONFIGURED}}}


def read(body: Mapping[str, Any]) -> dict[str, Any]:
    """The model's name and what is wanted of it. Raises InvalidRequest naming the field."""
    try:
        loaded: dict[str, Any] = ConfigModelBody().load(body)
    except ValidationError as fault:
        raise invalid(fault.messages) from fault
    return loaded


def of_form(form: MultiDict[str, str]) -> dict[str, Any]:
    """A form's fields as JSON would have them. What is no number stays text, which the schema refuses by name."""
    return {name: _value(name, form.getlist(name)) for name in form}


def _value(name: str, values: Sequence[str]) -> Any:
    if name == "modalities":
        return [word.strip() for value in values for word in value.split(",")]
    if len(values) > 1:
        raise InvalidRequest(f"{name} is given twice", field=name)
    (value,) = values
    if name == "verify":
        return _WORDS.get(value.lower(), value)
    return _number(value) if name in _NUMBERS else value


def _number(text: str) -> Any:
    if not text.isascii() or len(text) > 30:
        return text
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        return text


def _words(value: Any, known: Sequence[str]) -> list[str]:
    if type(value) is not list or not value or any(word not in known for word in value):
        raise ValidationError("Must be a list of " + ", ".join(known) + ".")
    return value


def shown(found: ConfiguredModel, *, secrets: bool = True) -> dict[str, Any]:
    """secrets: where it is asked and with which key, which is an admin's to know."""
    model = found.model
    row: dict[str, Any] = {
        "model_name": model.name,
        "id": model.id,
        "provider": model.integration,
        "price": shown_price(model.price),
        "context_window": model.context_window,
        "modalities": {"in": sorted(model.inputs), "out": sorted(model.outputs)},
        "available": model.available,
    }
    return row | {"base_url": model.base_url, "api_key": found.key} if secrets else row
