"""What a browser is shown: the first page, the page of the API document, and the files both need."""

from __future__ import annotations

from pathlib import Path

from flask import Response, request

from app.schemas.base import json_reply
from app.schemas.blueprint import Blueprint

WEB = Path(__file__).resolve().parent.parent / "web"


def blueprint(web: Path = WEB) -> Blueprint:
    """Routes `/`, `/docs` and `/static/…`. The pages are read here, once."""
    pages = Blueprint(
        "pages",
        __name__,
        description="What a browser is shown.",
        static_folder=str(web / "static"),
        static_url_path="/static",
    )
    index = (web / "index.html").read_bytes()
    docs = (web / "docs.html").read_bytes()

    @pages.get("/")
    @pages.doc(
        summary="The page, or that the service is running",
        responses={"200": {"description": "The page where `Accept` prefers HTML, else a short JSON object."}},
    )
    def root() -> Response:
        best = request.accept_mimetypes.best_match(["application/json", "text/html"])
        reply = _html(index) if best == "text/html" else json_reply(RUNNING)
        reply.vary.add("Accept")
        return reply

    @pages.get("/docs")
    @pages.doc(summary="This document as a page to try it", responses={"200": {"description": "HTML."}})
    def document() -> Response:
        return _html(docs)

    return pages


RUNNING = {"status": "ok", "message": "Service is running"}


def _html(page: bytes) -> Response:
    return Response(page, content_type="text/html; charset=utf-8", headers={"Cache-Control": "no-cache"})
