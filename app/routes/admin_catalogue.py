"""Models and providers' keys, for admins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from flask import Response

from app.domain.errors import InvalidRequest
from app.domain.policies.addresses import checked_base_url
from app.middleware.caller import admins_only
from app.routes.admin_accounts import acting
from app.schemas import admin_catalogue as shapes
from app.schemas.base import ListQuery, empty, paged, place, success
from app.schemas.blueprint import Blueprint
from app.services.catalogue.admin import ModelAdmin, Wish
from app.services.catalogue.catalogue import Catalogue
from app.services.catalogue.key_store import KeyStore

Item = TypeVar("Item")


def blueprint(models: ModelAdmin, keys: KeyStore, catalogue: Catalogue) -> Blueprint:
    blp = Blueprint("admin_catalogue", __name__, url_prefix="/api/admin", description="Models and providers' keys.")
    _models(blp, models)
    _keys(blp, keys, catalogue)
    return blp


def _models(blp: Blueprint, models: ModelAdmin) -> None:
    @blp.get("/models")
    @blp.doc(summary="Every model, in the catalogue's order")
    @admins_only
    @blp.arguments(ListQuery, location="query")
    @blp.response(200, shapes.ModelPage)
    def index(query: dict[str, Any]) -> Response:
        found = _after(models.all(), query, lambda model: model.id)
        return paged(found, query, lambda model: model.id, shapes.shown_model)

    @blp.post("/models")
    @blp.doc(
        summary="Add a model; it serves the next request",
        description="A provider that is not known here speaks OpenAI's wire at its `base_url`. A failed test is 500.",
    )
    @admins_only
    @blp.arguments(shapes.NewModelBody)
    @blp.response(201, shapes.ModelReply)
    def add(body: dict[str, Any]) -> Response:
        made = models.add(body["name"], body["provider"], body["wish"], acting())
        return success(shapes.shown_model(made), 201)

    @blp.get("/models/<path:model_id>")
    @blp.doc(summary="One model")
    @blp.response(200, shapes.ModelReply)
    @admins_only
    def show(model_id: str) -> Response:
        return success(shapes.shown_model(models.get(model_id)))

    @blp.patch("/models/<path:model_id>")
    @blp.doc(summary="Change a model; its former key never goes to a new address")
    @admins_only
    @blp.arguments(shapes.ModelChangeBody)
    @blp.response(200, shapes.ModelReply)
    def change(wish: Wish, model_id: str) -> Response:
        return success(shapes.shown_model(models.change(model_id, wish, acting())))

    @blp.delete("/models/<path:model_id>")
    @blp.doc(summary="Delete a model that an admin added")
    @blp.response(204)
    @admins_only
    def delete(model_id: str) -> Response:
        models.delete(model_id, acting())
        return empty()

    @blp.post("/models/<path:model_id>/test")
    @blp.doc(summary="Ask it one tiny question; a failed test is 500 with `details.reason`")
    @blp.response(200, shapes.TestReply)
    @admins_only
    def test(model_id: str) -> Response:
        return success(shapes.shown_test(models.test(model_id)))


def _keys(blp: Blueprint, keys: KeyStore, catalogue: Catalogue) -> None:
    @blp.get("/provider-keys")
    @blp.doc(summary="The stored keys of providers, masked; `readable` false: SECRET_KEY is another than then")
    @admins_only
    @blp.arguments(ListQuery, location="query")
    @blp.response(200, shapes.ProviderKeyPage)
    def index(query: dict[str, Any]) -> Response:
        found = _after(keys.all(), query, lambda key: key.row.id)
        return paged(found, query, lambda key: key.row.id, shapes.shown_provider_key)

    @blp.post("/provider-keys")
    @blp.doc(summary="Store a key: it joins its provider's pool on every worker within a second")
    @admins_only
    @blp.arguments(shapes.ProviderKeyBody)
    @blp.response(201, shapes.ProviderKeyReply)
    def add(body: dict[str, Any]) -> Response:
        base_url = checked_base_url(body["base_url"]) if "base_url" in body else None
        made = keys.add(body["provider"], body["key"], acting(), catalogue, base_url)
        return success(shapes.shown_provider_key(made), 201)

    @blp.get("/provider-keys/<key_id>")
    @blp.doc(summary="One stored key, masked")
    @blp.response(200, shapes.ProviderKeyReply)
    @admins_only
    def show(key_id: str) -> Response:
        return success(shapes.shown_provider_key(keys.get(key_id)))

    @blp.patch("/provider-keys/<key_id>")
    @blp.doc(summary="Put another key in its place")
    @admins_only
    @blp.arguments(shapes.ProviderKeyChangeBody)
    @blp.response(200, shapes.ProviderKeyReply)
    def change(body: dict[str, Any], key_id: str) -> Response:
        return success(shapes.shown_provider_key(keys.replace(key_id, body["key"], acting())))

    @blp.delete("/provider-keys/<key_id>")
    @blp.doc(summary="Delete a stored key")
    @blp.response(204)
    @admins_only
    def delete(key_id: str) -> Response:
        keys.remove(key_id, acting())
        return empty()


def _after(items: Sequence[Item], query: dict[str, Any], id_of: Callable[[Item], str]) -> Sequence[Item]:
    """One item more than the page that was asked for."""
    begin, after = 0, place(query)
    if after is not None:
        ids = [id_of(item) for item in items]
        if after not in ids:
            raise InvalidRequest("What cursor stood for is gone: begin anew.", field="cursor")
        begin = ids.index(after) + 1
    return items[begin : begin + query["limit"] + 1]
