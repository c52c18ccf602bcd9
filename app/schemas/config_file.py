"""The configuration as a file of YAML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from app.domain.caller import Budget, Limits
from app.domain.catalogue import Model
from app.domain.configuration import Configuration, Imported, ModelEntry, TemplateEntry, UserEntry
from app.domain.errors import InvalidRequest, TooLarge
from app.domain.money import usd
from app.domain.policies.names import identity_key
from app.domain.policies.templating import checked
from app.schemas.accounts import BudgetField
from app.schemas.admin_catalogue import MOST, PROVIDER, ModalitiesField, PriceField
from app.schemas.base import Choice, Flag, Schema, Text, Whole, enveloped
from app.schemas.models import shown_price
from app.schemas.templates import NewTemplateBody, shown_variable
from app.schemas.validation import invalid
from app.services.catalogue.admin import RANK

VERSION = 1
_KEY = validate.Regexp(r"[a-z0-9][a-z0-9-]{0,63}\Z", error="Must be a word in lower case.")
_ID = validate.Regexp(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", error="Must be a template's id.")


class ModelRowField(Schema):
    provider = Text(required=True, validate=PROVIDER)
    name = Text(required=True, least=1, most=300)
    made_by = Choice("admin", "config", load_default="admin")
    base_url = Text(least=1, most=2000)
    price = fields.Nested(PriceField)
    context_window = Whole(least=1, most=MOST)
    max_output = Whole(least=1, most=MOST)
    modalities = fields.Nested(ModalitiesField)
    active = Flag(load_default=True)
    reasoning = Flag(load_default=False)
    chat = Flag(load_default=True)
    tools = Flag(load_default=True)
    abilities_known = Flag()
    rpm = Whole(least=0, most=MOST)
    tpm = Whole(least=0, most=MOST)

    @post_load
    def _entry(self, data: dict[str, Any], **_: Any) -> ModelEntry:
        told = data.pop("modalities", None)
        made_by, provider = data.pop("made_by"), data.pop("provider")
        known = data.pop("abilities_known", told is not None)
        if told is not None:
            data |= {"inputs": frozenset(told["in_"]), "outputs": frozenset(told["out"])}
        model = Model(f"{provider}/{data['name']}", provider, abilities_known=known, rank=RANK, **data)
        return ModelEntry(model, made_by)


class UserRowField(Schema):
    username = Text(required=True, least=1, most=64)
    rpm = Whole(least=0, most=MOST)
    tpm = Whole(least=0, most=MOST)
    concurrency = Whole(least=0, most=MOST)
    budget = fields.Nested(BudgetField)

    @post_load
    def _entry(self, data: dict[str, Any], **_: Any) -> UserEntry:
        limits = Limits(*(data.get(name) for name in ("rpm", "tpm", "concurrency")))
        return UserEntry(data["username"], limits, data.get("budget"))


class TemplateRowField(NewTemplateBody):
    id = Text(validate=_ID)
    key = Text(validate=_KEY, metadata={"description": "A seeded one's name, or one of your own."})
    owner = Text(least=1, most=64, metadata={"description": "A user's name; left out, it is the house's own."})

    @post_load
    def _new(self, data: dict[str, Any], **more: Any) -> Any:
        own = {name: data.pop(name, None) for name in ("id", "key", "owner")}
        if (own["id"] is None) == (own["key"] is None):
            raise ValidationError("Give its id or its key, and not both.", "id")
        if own["owner"] is not None and not data.get("shared", True):
            raise ValidationError("What is a user's own is no configuration.", "shared")
        return TemplateEntry(super()._new({"shared": True} | data, **more), **own)


class ConfigurationFile(Schema):
    version = Whole(required=True, least=VERSION, most=VERSION)
    models = fields.List(fields.Nested(ModelRowField), validate=validate.Length(max=1_000))
    budget = fields.Nested(BudgetField, allow_none=True)
    users = fields.List(fields.Nested(UserRowField), validate=validate.Length(max=5_000))
    templates = fields.List(fields.Nested(TemplateRowField), validate=validate.Length(max=2_000))

    @validates_schema
    def _no_doubles(self, data: Mapping[str, Any], **_: Any) -> None:
        _refuse_doubles("models", [(e.model.integration, e.model.name) for e in data.get("models", ())])
        _refuse_doubles("users", [identity_key(e.username) for e in data.get("users", ())])
        _refuse_doubles("templates", [e.key or e.id for e in data.get("templates", ())])

    @post_load
    def _whole(self, data: dict[str, Any], **_: Any) -> Configuration:
        listed = {name: tuple(data[name]) for name in ("models", "users", "templates") if name in data}
        return Configuration(budget=(data["budget"],) if "budget" in data else None, **listed)


class ImportedShape(Schema):
    changed = fields.Dict(required=True, metadata={"description": "How many models, users, templates, budgets."})
    skipped = fields.Dict(required=True, metadata={"description": "What could not be, by its place, and why."})


ImportedReply = enveloped(ImportedShape(), "ConfigurationImported")


def configuration_of(body: Mapping[str, Any]) -> Configuration:
    """What the file says. Raises InvalidRequest and TooLarge naming the place in it."""
    try:
        found: Configuration = ConfigurationFile().load(body)
    except ValidationError as fault:
        raise invalid(fault.messages) from fault
    if found.templates is None:
        return found
    entries = tuple(_with_variables(at, entry) for at, entry in enumerate(found.templates))
    return Configuration(found.models, found.budget, found.users, entries)


def shown_configuration(found: Configuration) -> dict[str, Any]:
    """As the file says it: every section, and what is not set is left out."""
    (budget,) = found.budget or (None,)
    return {
        "version": VERSION,
        "budget": _budget(budget),
        "models": [_told(_model(entry)) for entry in found.models or ()],
        "users": [_told(_user(entry)) for entry in found.users or ()],
        "templates": [_told(_template(entry)) for entry in found.templates or ()],
    }


def shown_imported(done: Imported) -> dict[str, Any]:
    return {"changed": dict(done.changed), "skipped": dict(done.skipped)}


def _with_variables(at: int, entry: TemplateEntry) -> TemplateEntry:
    try:
        return TemplateEntry(checked(entry.draft), entry.id, entry.key, entry.owner)
    except (InvalidRequest, TooLarge) as fault:
        fault.field = f"templates[{at}].{fault.field}"
        raise


def _refuse_doubles(section: str, names: Iterable[Any]) -> None:
    seen: set[Any] = set()
    for at, name in enumerate(names):
        if name in seen:
            raise ValidationError({section: {at: ["It stands twice."]}})
        seen.add(name)


def _model(entry: ModelEntry) -> dict[str, Any]:
    model = entry.model
    return {
        "provider": model.integration,
        "name": model.name,
        "made_by": entry.made_by,
        "base_url": model.base_url,
        "price": shown_price(model.price),
        "context_window": model.context_window,
        "max_output": model.max_output,
        "modalities": {"in": sorted(model.inputs), "out": sorted(model.outputs)},
        "active": model.active,
        "reasoning": model.reasoning,
        "chat": model.chat,
        "tools": model.tools,
        "abilities_known": model.abilities_known,
        "rpm": model.rpm,
        "tpm": model.tpm,
    }


def _user(entry: UserEntry) -> dict[str, Any]:
    limits = entry.limits
    bounds = {"rpm": limits.rpm, "tpm": limits.tpm, "concurrency": limits.concurrency}
    return {"username": entry.username, **bounds, "budget": _budget(entry.budget)}


def _template(entry: TemplateEntry) -> dict[str, Any]:
    draft = entry.draft
    return {
        "key": entry.key,
        "id": entry.id,
        "owner": entry.owner,
        "name": draft.name,
        "category": draft.category,
        "shared": draft.shared,
        "content": draft.content,
        "variables": [_told(shown_variable(variable)) for variable in draft.variables],
    }


def _budget(budget: Budget | None) -> dict[str, Any] | None:
    return {"amount": usd(budget.amount), "period": budget.period} if budget else None


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}
