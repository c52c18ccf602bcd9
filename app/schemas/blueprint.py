"""Blueprints whose arguments are read by our strict readers and stand in the OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from flask_smorest import Blueprint as SmorestBlueprint
from webargs.flaskparser import FlaskParser

from app.schemas.json_body import NO_FIELDS, read_json
from app.schemas.validation import invalid

if TYPE_CHECKING:
    from flask import Request
    from marshmallow import ValidationError


class StrictParser(FlaskParser):  # type: ignore[misc]
    """Bodies come through `read_json`, with its limits and its refusals."""

    DEFAULT_VALIDATION_STATUS = 400

    def handle_error(self, error: ValidationError, *_: Any, **__: Any) -> NoReturn:
        raise invalid(error.messages) from error

    def load_json(self, req: Request, schema: Any) -> Any:
        # A schema says which of its fields may hold NUL (a password); none may else.
        return read_json(getattr(schema, "nul_ok", NO_FIELDS))


class Blueprint(SmorestBlueprint):  # type: ignore[misc]
    """A door's blueprint: made by a function that is handed its services."""

    ARGUMENTS_PARSER = StrictParser()
