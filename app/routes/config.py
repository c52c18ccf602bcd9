"""Configuration at the short door: a model of another address in one call."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from app.domain.errors import DomainError, InvalidRequest, UnsupportedMedia
from app.middleware.caller import admins_only, callers_only, require_caller
from app.routes.admin_accounts import acting
from app.schemas import config_model as shapes
from app.schemas.base import json_reply
from app.schemas.blueprint import Blueprint
from app.schemas.chat_docs import answers
from app.schemas.json_body import read_json
from app.services.catalogue.configured import ConfiguredModels

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def blueprint(models: ConfiguredModels) -> Blueprint:
    blp = Blueprint("config", __name__, url_prefix="/config", description="Models of other addresses, from a script.")

    @blp.route("/model", methods=["POST"])
    @blp.doc(
        summary="Add an OpenAI-compatible model, or replace one that was added so; it serves the next request",
        description="A failed test is 500 with `details.reason`, and nothing is kept.",
        requestBody=shapes.BODY,
        responses=answers("The configuration.", shapes.CONFIGURED),
    )
    @admins_only
    def put() -> Response:
        asked = shapes.read(_body())
        try:
            made = models.put(asked["name"], asked["wish"], acting())
        except DomainError as fault:
            if fault.field == "name":
                fault.field = "model_name"
            raise
        return json_reply(shapes.shown(made) | {"verified": asked["wish"].verify})

    @blp.route("/models", methods=["GET"])
    @blp.doc(
        summary="The models of other addresses; admins see which, and the keys masked",
        responses=answers("The models.", shapes.LIST),
    )
    @callers_only
    def index() -> Response:
        secrets = require_caller().is_admin
        return json_reply({"models": [shapes.shown(found, secrets=secrets) for found in models.all()]})

    return blp


def _body() -> dict[str, Any]:
    """The fields, from JSON or a form."""
    if request.mimetype not in _FORMS:
        return read_json()
    if "Content-Encoding" in request.headers:
        raise UnsupportedMedia("a compressed body is not read here")
    if request.files:
        raise InvalidRequest("this takes no files", field=next(iter(request.files)))
    return shapes.of_form(request.form)
