"""Joining, signing in and out at the app door."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from app.domain.errors import Forbidden, InvalidRequest, Unauthorized
from app.middleware.caller import callers_only, require_caller
from app.schemas.accounts import LoginBody, RefreshBody, RegisterBody, SignedInReply, shown_sign_in
from app.schemas.base import empty, success
from app.schemas.blueprint import Blueprint
from app.services.accounts.service import AccountService
from app.services.accounts.sessions import Sessions, SignedIn

COOKIE = "refresh_token"
PATH = "/api/auth"


def blueprint(accounts: AccountService, sessions: Sessions) -> Blueprint:
    auth = Blueprint("auth", __name__, url_prefix=PATH, description="Join, sign in, sign out.")

    @auth.post("/register")
    @auth.doc(summary="Make a user and sign in", security=[])
    @auth.arguments(RegisterBody)
    @auth.response(201, SignedInReply)
    def register(body: dict[str, Any]) -> Response:
        _refuse_cross_site(body["cookie"])
        user = accounts.register(body["username"], body["email"], body["password"])
        return _signed_in(sessions.begin(user), sessions, in_cookie=body["cookie"], status=201)

    @auth.post("/login")
    @auth.doc(summary="Sign in by name or e-mail address", security=[])
    @auth.arguments(LoginBody)
    @auth.response(200, SignedInReply)
    def login(body: dict[str, Any]) -> Response:
        _refuse_cross_site(body["cookie"])
        signed = accounts.sign_in(body["username"], body["password"], request.remote_addr or "")
        return _signed_in(signed, sessions, in_cookie=body["cookie"])

    @auth.post("/refresh")
    @auth.doc(
        summary="The next pair of tokens",
        description="Each refresh token serves once. The same one again within 10 seconds gets the same pair; later "
        "it ends the sign-in. Without `refresh_token` the cookie is used, and the next one goes there too.",
        security=[],
    )
    @auth.arguments(RefreshBody)
    @auth.response(200, SignedInReply)
    def refresh(body: dict[str, Any]) -> Response:
        shown = body.get("refresh_token")
        in_cookie = body["cookie"] or (shown is None and COOKIE in request.cookies)
        _refuse_cross_site(in_cookie)
        if shown is None and not in_cookie:
            raise InvalidRequest("Give the refresh token.", field="refresh_token")
        token = shown if shown is not None else request.cookies.get(COOKIE)
        if token is None:
            raise Unauthorized("There is no refresh token: sign in.")
        return _signed_in(sessions.rotate(token), sessions, in_cookie=in_cookie)

    @auth.post("/logout")
    @auth.doc(summary="End the sign-in: every token of it is refused from now on")
    @auth.response(204)
    @callers_only
    def logout() -> Response:
        sessions.end(require_caller())
        reply = empty()
        if COOKIE in request.cookies:
            reply.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="Strict", secure=request.is_secure)
        return reply

    return auth


def _refuse_cross_site(with_cookie: bool) -> None:
    if with_cookie and request.headers.get("Sec-Fetch-Site", "").lower() == "cross-site":
        raise Forbidden("Another site cannot sign in here by cookie.")


def _signed_in(signed: SignedIn, sessions: Sessions, *, in_cookie: bool, status: int = 200) -> Response:
    headers = {"Cache-Control": "no-store"}
    reply = success(shown_sign_in(signed, in_body=not in_cookie), status, headers)
    if in_cookie and signed.refresh_token is not None:
        reply.set_cookie(
            COOKIE,
            signed.refresh_token,
            max_age=sessions.refresh_seconds,
            path=PATH,
            httponly=True,
            samesite="Strict",
            secure=request.is_secure,
        )
    return reply
