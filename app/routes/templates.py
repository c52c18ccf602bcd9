"""Prompt templates at the app door."""

from __future__ import annotations

from typing import Any

from flask import Response

from app.domain.templates import Draft, Template
from app.middleware.caller import callers_only, require_caller, users_only
from app.schemas import templates as shapes
from app.schemas.base import empty, paged, place, success
from app.schemas.blueprint import Blueprint
from app.services.templates.service import Templates

DESCRIPTION = "Texts with `{{variable}}` in them, one's own and shared ones. A chat uses one by `template_id`."


def blueprint(templates: Templates) -> Blueprint:
    blp = Blueprint("templates", __name__, url_prefix="/api", description=DESCRIPTION)

    def shown(template: Template) -> dict[str, Any]:
        return shapes.shown_template(template, require_caller())

    @blp.get("/templates")
    @blp.doc(summary="Mine and the shared ones, newest first")
    @callers_only
    @blp.arguments(shapes.TemplatesQuery, location="query")
    @blp.response(200, shapes.TemplatePage)
    def index(query: dict[str, Any]) -> Response:
        found = templates.page(require_caller(), query["limit"] + 1, place(query), query.get("category"))
        return paged(found, query, lambda template: template.id, shown)

    @blp.post("/templates")
    @blp.doc(summary="Keep a template; its version is 1")
    @users_only
    @blp.arguments(shapes.NewTemplateBody)
    @blp.response(201, shapes.TemplateReply)
    def add(draft: Draft) -> Response:
        return success(shown(templates.add(require_caller(), draft)), 201)

    @blp.get("/templates/<template_id>")
    @blp.doc(summary="One template, also as an older version has it")
    @callers_only
    @blp.arguments(shapes.TemplateQuery, location="query")
    @blp.response(200, shapes.TemplateReply)
    def show(query: dict[str, Any], template_id: str) -> Response:
        return success(shown(templates.get(require_caller(), template_id, query.get("version"))))

    @blp.put("/templates/<template_id>")
    @blp.doc(
        summary="Change a template; another text is another version",
        description="What is left out stays. A shared one changes its owner or an admin, a seeded one an admin.",
    )
    @users_only
    @blp.arguments(shapes.TemplateChangeBody)
    @blp.response(200, shapes.TemplateReply)
    def change(changes: dict[str, Any], template_id: str) -> Response:
        return success(shown(templates.change(require_caller(), template_id, changes)))

    @blp.delete("/templates/<template_id>")
    @blp.doc(summary="Delete a template; conversations that used it stay")
    @blp.response(204)
    @users_only
    def delete(template_id: str) -> Response:
        templates.delete(require_caller(), template_id)
        return empty()

    @blp.post("/templates/<template_id>/preview")
    @blp.doc(summary="What it says with these values; no model is asked")
    @callers_only
    @blp.arguments(shapes.PreviewBody)
    @blp.response(200, shapes.PreviewReply)
    def preview(body: dict[str, Any], template_id: str) -> Response:
        return success({"text": templates.preview(require_caller(), template_id, body["template_vars"])})

    return blp
