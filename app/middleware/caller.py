"""Who is calling, read from `Authorization` and from nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from flask.globals import request_ctx

from app.domain.caller import Caller
from app.domain.errors import Forbidden, InvalidRequest, Unauthorized
from app.services.accounts.callers import CallerRegistry, UnknownKey

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

    from flask import Flask

ENVIRON_KEY = "onedoor.caller"
_EXTENSION = "callers"

View = TypeVar("View", bound=Callable[..., Any])


class Guesses(Protocol):
    def miss(self, name: str | None, address: str, /) -> None:
        """Count a wrong key by the address. Raises RateLimited from the 61st in 15 minutes on."""


def register(app: Flask, registry: CallerRegistry, guesses: Guesses, *, anonymous: bool = False) -> None:
    """Let the app's routes ask who calls. anonymous: a call without a token acts as the user `guest`."""
    app.extensions[_EXTENSION] = CallerDoor(registry, guesses, anonymous=anonymous)


def require_caller() -> Caller:
    """The present request's caller. Raises Unauthorized; InvalidRequest for two Authorization headers; RateLimited
    for who tries keys; Unavailable where the token is not remembered and the database is away."""
    context = request_ctx._get_current_object()  # type: ignore[attr-defined]  # one look-up; each proxy costs its own
    environ = context.request.environ
    caller = environ.get(ENVIRON_KEY)
    if caller is None:
        door: CallerDoor = context.app.extensions[_EXTENSION]
        caller = environ[ENVIRON_KEY] = door.identify(environ)
    return cast(Caller, caller)


def require_user() -> Caller:
    """The same, for what a guest may not. Raises Forbidden."""
    caller = require_caller()
    if caller.is_guest:
        raise Forbidden("This is not for guests; sign in.")
    return caller


def require_admin() -> Caller:
    """The same, for what only an admin may. Raises Forbidden."""
    caller = require_caller()
    if not caller.is_admin:
        raise Forbidden("This is for admins.")
    return caller


def callers_only(view: View) -> View:
    """Ask who calls before anything of the request is read: a stranger learns nothing of what is wrong with it."""
    return _after(require_caller, view)


def users_only(view: View) -> View:
    """The same, and no guests."""
    return _after(require_user, view)


def admins_only(view: View) -> View:
    """The same, and admins alone."""
    return _after(require_admin, view)


def _after(check: Callable[[], Caller], view: View) -> View:
    @wraps(view)
    def checked(*args: Any, **kwargs: Any) -> Any:
        check()
        return view(*args, **kwargs)

    return cast(View, checked)


class CallerDoor:
    """Reads `Authorization` and asks the registry."""

    def __init__(self, registry: CallerRegistry, guesses: Guesses, *, anonymous: bool) -> None:
        self._registry = registry
        self._guesses = guesses
        self._anonymous = anonymous

    def identify(self, environ: WSGIEnvironment) -> Caller:
        """The caller of a WSGI request; see `require_caller`."""
        header = environ.get("HTTP_AUTHORIZATION")
        if header is None:
            if not self._anonymous:
                raise Unauthorized("Show a token: `Authorization: Bearer TOKEN`.")
            return self._registry.guest()
        try:
            return self._registry.resolve(_token(header))
        except UnknownKey as unknown:
            self._guesses.miss(None, environ.get("REMOTE_ADDR", ""))
            raise Unauthorized(unknown.message) from None


def _token(header: str) -> str:
    # Two headers come as one with a comma (PEP 3333 servers join them); no token of ours has one.
    if "," in header:
        raise InvalidRequest("There is more than one Authorization header.", field="Authorization")
    scheme, _, token = header.partition(" ")
    token = token.strip(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("Show a token: `Authorization: Bearer TOKEN`.")
    return token
