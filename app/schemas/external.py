"""Calls to other hosts at the app door."""

from __future__ import annotations

from marshmallow import fields

from app.schemas.base import Flag, Schema, Text, enveloped

URL_MOST = 8_192


class ExternalBody(Schema):
    """A field that is left out or null is not sent."""

    url = Text(
        required=True, least=1, most=URL_MOST, metadata={"description": "http or https; its host must be on the list."}
    )
    headers = fields.Dict(
        keys=Text(),
        values=Text(),
        load_default=dict,
        metadata={"description": "Sent as they are. Host, and what is about the connection, is refused."},
    )
    params = fields.Dict(
        keys=Text(),
        load_default=dict,
        metadata={"description": "Added to the query; text, numbers, booleans or lists of them."},
    )
    payload = fields.Raw(
        load_default=None,
        metadata={"description": "Any JSON; where `use_json` is false an object (sent as a form) or text."},
    )
    use_json = Flag(load_default=True, metadata={"description": "Whether `payload` is sent as JSON."})


class ExternalShape(Schema):
    status_code = fields.Integer(required=True, metadata={"description": "What the host answered, whatever it is."})
    headers = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    body = fields.Raw(
        required=True,
        allow_none=True,
        metadata={"description": "JSON where the host says that it is, else text; empty for a redirect elsewhere."},
    )


ExternalReplyShape = enveloped(ExternalShape(), "ExternalReply")
