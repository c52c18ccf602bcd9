"""The caller's own user."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from app.domain.accounts import User
from app.middleware.caller import callers_only, require_caller, users_only
from app.repositories.spending import Spending
from app.schemas.accounts import ProfileBody, ProfileReply, shown_profile
from app.schemas.base import success
from app.schemas.blueprint import Blueprint
from app.services.accounts.service import AccountService
from app.utils.clock import utcnow


def blueprint(accounts: AccountService, spending: Spending) -> Blueprint:
    profile = Blueprint("profile", __name__, url_prefix="/api", description="The caller's own user.")

    @profile.get("/profile")
    @profile.doc(summary="The user, its limits, what is left of its budget")
    @profile.response(200, ProfileReply)
    @callers_only
    def show() -> Response:
        return _shown(accounts.profile(require_caller()), spending)

    @profile.patch("/profile")
    @profile.doc(
        summary="Change the e-mail address or the password",
        description="A new password needs `current_password` and ends every sign-in, this one too. API keys stay.",
    )
    @users_only
    @profile.arguments(ProfileBody)
    @profile.response(200, ProfileReply)
    def change(body: dict[str, Any]) -> Response:
        return _shown(accounts.change_profile(require_caller(), request.remote_addr or "", **body), spending)

    return profile


def _shown(user: User, spending: Spending) -> Response:
    spent = spending.of_user(user.id, user.budget, utcnow()) if user.budget else None
    return success(shown_profile(user, spent))
