"""Calls to other hosts: those that the installation lists, and only where they are public."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Response, request

from app.domain.external import ExternalCall, Method
from app.middleware.caller import callers_only
from app.schemas.base import success
from app.schemas.blueprint import Blueprint
from app.schemas.external import ExternalBody, ExternalReplyShape
from app.services.external.calls import ExternalCalls

METHODS: tuple[Method, ...] = ("GET", "POST", "PUT", "DELETE")
ABOUT = (
    "The host must be listed in `EXTERNAL_ALLOWED_HOSTS` and all its addresses be public (403). Redirects are followed"
    " within the origin. A reply of more than 5 MB is 413, one that takes too long 504, a host that fails 502."
    " Whatever status it answers is in `data.status_code`."
)


def blueprint(calls: ExternalCalls) -> Blueprint:
    external = Blueprint("external", __name__, url_prefix="/api/external", description="Calls to other hosts.")
    for method in METHODS:
        _add(external, calls, method)
    return external


def _add(external: Blueprint, calls: ExternalCalls, method: Method) -> None:
    @external.route(f"/{method.lower()}", methods=["POST"], endpoint=method.lower())
    @external.doc(summary=f"{method} a URL of a listed host", description=ABOUT)
    @callers_only
    @external.arguments(ExternalBody)
    @external.response(200, ExternalReplyShape)
    def call(body: dict[str, Any]) -> Response:
        own = request.headers.get("Authorization", "").partition(" ")[2].strip()
        return success(asdict(calls.call(ExternalCall(method, **body, own_token=own or None))))
