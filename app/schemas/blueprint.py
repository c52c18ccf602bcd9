"""Blueprints whose arguments are read by our strict readers and stand in the OpenAPI document."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from flask_smorest import Blueprint as SmorestBlueprint
from webargs.flaskparser import FlaskParser

from app.schemas.json_body import NO_FIELDS, read_json
from app.schemas.validation import invalid

if TYPE_CHECKING:
    from flask import Request
    from marshmallow import Schema, ValidationError

View = TypeVar("View", bound=Callable[..., Any])


class StrictParser(FlaskParser):  # type: ignore[misc]
    """Bodies come through `read_json`, with its limits and its refusals; a fault is 400."""

    DEFAULT_VALIDATION_STATUS = 400

    def handle_error(self, error: ValidationError, *_: Any, **__: Any) -> NoReturn:
        raise invalid(error.messages) from error

    def load_json(self, req: Request, schema: Any) -> Any:
        # A schema says which of its fields may hold NUL (a password); none may else.
        return read_json(getattr(schema, "nul_ok", NO_FIELDS))


if TYPE_CHECKING:

    class Blueprint:
        """What is used here of flask-smorest's, with types: it ships none."""

        def __init__(self, name: str, import_name: str, **options: Any) -> None: ...
        def record_once(self, func: Callable[[Any], None]) -> None: ...
        def route(self, rule: str, **options: Any) -> Callable[[View], View]: ...
        def get(self, rule: str, **options: Any) -> Callable[[View], View]: ...
        def post(self, rule: str, **options: Any) -> Callable[[View], View]: ...
        def put(self, rule: str, **options: Any) -> Callable[[View], View]: ...
        def patch(self, rule: str, **options: Any) -> Callable[[View], View]: ...
        def delete(self, rule: str, **options: Any) -> Callable[[View], View]: ...
        def doc(self, **operation: Any) -> Callable[[View], View]: ...
        def arguments(
            self, schema: type[Schema] | Schema, **options: Any
        ) -> Callable[[Callable[..., Any]], Callable[..., Any]]: ...
        def response(
            self, status: int, schema: type[Schema] | Schema | None = None, **options: Any
        ) -> Callable[[View], View]: ...
        def alt_response(self, status: int, **options: Any) -> Callable[[View], View]: ...

else:

    class Blueprint(SmorestBlueprint):
        """A door's blueprint: made by a function that is handed its services."""

        ARGUMENTS_PARSER = StrictParser()
