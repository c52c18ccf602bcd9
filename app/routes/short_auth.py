"""Joining and signing in at the short door."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, request

from app.domain.errors import UnsupportedMedia
from app.schemas.accounts import ShortRegisterBody, ShortTokenShape, ShortUserShape, TokenForm
from app.schemas.base import json_reply
from app.schemas.blueprint import Blueprint
from app.services.accounts.service import AccountService

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def blueprint(accounts: AccountService) -> Blueprint:
    short = Blueprint("short_auth", __name__, description="Join and sign in from a script.")

    @short.post("/register")
    @short.doc(summary="Make a user", security=[])
    @short.arguments(ShortRegisterBody)
    @short.response(201, ShortUserShape)
    def register(body: dict[str, Any]) -> Response:
        user = accounts.register(body["username"], None, body["password"])
        return json_reply({"id": user.id, "username": user.username}, 201)

    @short.post("/token")
    @short.doc(summary="An access token for a name and a password (OAuth2 password form)", security=[])
    @_forms_only
    @short.arguments(TokenForm, location="form")
    @short.response(200, ShortTokenShape)
    def token(form: dict[str, Any]) -> Response:
        signed = accounts.sign_in(form["username"], form["password"], request.remote_addr or "", refresh=False)
        shown = {"access_token": signed.access_token, "token_type": "bearer", "expires_in": signed.expires_in}
        return json_reply(shown, headers={"Cache-Control": "no-store"})

    return short


def _forms_only(view: Callable[..., Response]) -> Callable[..., Response]:
    @wraps(view)
    def checked(*args: Any, **kwargs: Any) -> Response:
        if request.mimetype not in _FORMS or "Content-Encoding" in request.headers:
            raise UnsupportedMedia("Send a form: Content-Type: application/x-www-form-urlencoded.")
        return view(*args, **kwargs)

    return checked
