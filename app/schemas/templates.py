"""Templates at the app door."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from app.domain.caller import Caller
from app.domain.policies.templating import MOST_CHOICE, MOST_CHOICES, MOST_VARIABLES
from app.domain.templates import Draft, Template, Variable
from app.schemas.base import Choice, Flag, ListQuery, Moment, QueryWhole, Schema, Text, enveloped, page_of
from app.services.templates.service import viewer
from app.utils.clock import rfc3339

_SCALAR = {"type": ["string", "number", "boolean", "null"]}
_CATEGORY = "general"
#: Whole numbers up to here are the same in every store and client.
MOST_NUMBER = 2**53


class ScalarField(fields.Field[Any]):
    """Text, a number, true or false."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        # A NaN is not below anything.
        fits = abs(value) <= MOST_NUMBER if type(value) in (int, float) else type(value) in (str, bool)
        if not fits:
            raise ValidationError("Must be a string, a number, true or false.")
        return value


class VariableField(Schema):
    name = Text(required=True, least=1, most=64)
    type = Choice("string", "number", "boolean", "choice", load_default="string")
    default = ScalarField(metadata=_SCALAR | {"description": "Left out: a value is required."})
    choices = fields.List(Text(least=1, most=MOST_CHOICE), validate=validate.Length(max=MOST_CHOICES))

    @post_load
    def _variable(self, data: dict[str, Any], **_: Any) -> Variable:
        return Variable(data["name"], data["type"], data.get("default"), tuple(data.get("choices", ())))


class _TemplateBody(Schema):
    category = Text(least=1, most=64)
    shared = Flag(metadata={"description": "Everybody here may read and use it."})
    variables = fields.List(
        fields.Nested(VariableField),
        validate=validate.Length(max=MOST_VARIABLES),
        metadata={"description": "Those of the content that are not told are required strings."},
    )


class NewTemplateBody(_TemplateBody):
    name = Text(required=True, least=1, most=200)
    content = Text(required=True, least=1, metadata={"description": "Text with `{{variable}}` in it."})

    @post_load
    def _new(self, data: dict[str, Any], **_: Any) -> Draft:
        return Draft(**{"category": _CATEGORY} | _changes(data))


class TemplateChangeBody(_TemplateBody):
    name = Text(least=1, most=200)
    content = Text(least=1)

    @post_load
    def _change(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        if not data:
            raise ValidationError("There is nothing to change.")
        return _changes(data)


class PreviewBody(Schema):
    template_vars = fields.Dict(
        load_default=dict, metadata={"description": "Values by name: strings, numbers, true or false."}
    )


class TemplatesQuery(ListQuery):
    category = Text(least=1, most=64)


class TemplateQuery(Schema):
    version = QueryWhole(least=1, most=1_000_000, metadata={"description": "An older version; else the present one."})


class VariableShape(Schema):
    name = fields.String(required=True)
    type = fields.String(required=True, metadata={"enum": ["string", "number", "boolean", "choice"]})
    default = fields.Raw(required=True, metadata=_SCALAR | {"description": "null: a value is required."})
    choices = fields.List(fields.String())


class TemplateShape(Schema):
    id = fields.String(required=True)
    name = fields.String(required=True)
    category = fields.String(required=True)
    content = fields.String(required=True)
    shared = fields.Boolean(required=True)
    variables = fields.List(fields.Nested(VariableShape), required=True)
    version = fields.Integer(required=True)
    editable = fields.Boolean(required=True, metadata={"description": "Whether the caller may change it."})
    created_at = Moment(required=True)
    updated_at = Moment(required=True)


class PreviewShape(Schema):
    text = fields.String(required=True)


TemplateReply = enveloped(TemplateShape(), "TemplateReply")
TemplatePage = page_of(TemplateShape(), "Template")
PreviewReply = enveloped(PreviewShape(), "TemplatePreviewReply")


def _changes(data: dict[str, Any]) -> dict[str, Any]:
    return data | {"variables": tuple(data["variables"])} if "variables" in data else data


def shown_template(template: Template, caller: Caller) -> dict[str, Any]:
    return {
        "id": template.id,
        "name": template.name,
        "category": template.category,
        "content": template.content,
        "shared": template.shared,
        "variables": [shown_variable(variable) for variable in template.variables],
        "version": template.version,
        "editable": template.editable_by(viewer(caller)),
        "created_at": rfc3339(template.created_at),
        "updated_at": rfc3339(template.updated_at),
    }


def shown_variable(variable: Variable) -> dict[str, Any]:
    shown: dict[str, Any] = {"name": variable.name, "type": variable.type, "default": variable.default}
    return shown | {"choices": list(variable.choices)} if variable.choices else shown
