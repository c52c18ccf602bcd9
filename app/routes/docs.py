"""The OpenAPI document, made from the routes themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
from flask import Response
from flask_smorest import Api as SmorestApi

from app.schemas.blueprint import Blueprint
from app.schemas.document import DESCRIPTION, TITLE, complete

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flask import Flask


class Api(SmorestApi):  # type: ignore[misc]
    """Collects what blueprints tell of their routes. Errors are shaped in `middleware.errors`, not here."""

    def _register_error_handlers(self) -> None:
        pass


def register(app: Flask, blueprints: Iterable[Blueprint], version: str) -> None:
    """Register every blueprint with the app and its document, and the document's own route."""
    app.config.update(
        API_TITLE=TITLE,
        API_VERSION=version,
        OPENAPI_VERSION="3.1.0",
        API_SPEC_OPTIONS={"info": {"description": DESCRIPTION}},
    )
    api = Api(app)
    for blueprint in [*blueprints, _document(api)]:
        api.register_blueprint(blueprint)


def document_of(api: Any) -> dict[str, Any]:
    """The finished document."""
    return complete(api.spec.to_dict())


def _document(api: Api) -> Blueprint:
    docs = Blueprint("docs", __name__, description="The API document.")
    made: list[bytes] = []

    @docs.get("/openapi.json")
    @docs.doc(summary="The API as an OpenAPI 3.1 document")
    @docs.response(200, description="The document.")
    def openapi() -> Response:
        if not made:
            # At the first request: by then every route is known, and a start does not wait for it.
            made.append(orjson.dumps(document_of(api), option=orjson.OPT_NON_STR_KEYS))
        return Response(made[0], content_type="application/json", headers={"Cache-Control": "no-cache"})

    return docs
