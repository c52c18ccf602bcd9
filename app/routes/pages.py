"""What a browser is shown: the page at each of its addresses, the API document's page, and the files they need."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, Response, request

from app.routes.static_files import StaticFiles
from app.schemas.base import json_reply
from app.schemas.blueprint import Blueprint

WEB = Path(__file__).resolve().parent.parent / "web"
HTML = {"200": {"description": "HTML."}}


def blueprint(web: Path = WEB) -> Blueprint:
    """Routes `/`, `/c/…`, `/app/…`, `/docs` and `/static/…`. The pages and files are read here, once."""
    pages = Blueprint("pages", __name__, description="What a browser is shown.")
    files = StaticFiles(web / "static")
    shell = _Shell(web, files)
    docs = (web / "docs.html").read_bytes()

    @pages.get("/")
    @pages.doc(
        summary="The page, or that the service is running",
        responses={"200": {"description": "The page where `Accept` prefers HTML, else a short JSON object."}},
    )
    def root() -> Response:
        best = request.accept_mimetypes.best_match(["application/json", "text/html"])
        reply = _html(shell.page) if best == "text/html" else json_reply(RUNNING)
        reply.vary.add("Accept")
        return reply

    @pages.get("/c/<public_id>")
    @pages.doc(summary="The page at a conversation; what is in it the page asks the API for", responses=HTML)
    def conversation(public_id: str) -> Response:
        return _html(shell.page)

    @pages.get("/app/<path:view>")
    @pages.doc(summary="The page at one of its views", responses=HTML)
    def view(view: str) -> Response:
        return _html(shell.page)

    @pages.get("/docs")
    @pages.doc(summary="This document as a page to try it", responses=HTML)
    def document() -> Response:
        return _html(docs)

    pages.record_once(lambda state: shell.open(state.app))
    return pages


RUNNING = {"status": "ok", "message": "Service is running"}


class _Shell:
    """The page, the same for everybody and at each address: which view it is, its script reads off the address."""

    def __init__(self, web: Path, files: StaticFiles) -> None:
        self._web = web
        self._files = files
        self.page = b""

    def open(self, app: Flask) -> None:
        """Draw the page with the app's own templates, and serve its files. Not in the API's document."""
        files, base = self._files, f"/static/~{self._files.version}"
        template = app.jinja_env.from_string((self._web / "index.html").read_text(encoding="utf-8"))
        self.page = template.render(
            base=base,
            styles=[f"{base}/{name}" for name in files.below("app/css")],
            modules=[f"{base}/{name}" for name in files.modules("app/main.js")],
        ).encode()
        app.add_url_rule("/static/<path:filename>", "static", files.reply)


def _html(page: bytes) -> Response:
    reply = Response(page, content_type="text/html; charset=utf-8", headers={"Cache-Control": "no-cache"})
    reply.add_etag()
    reply.make_conditional(request)
    return reply
