"""JWTs, by Flask-JWT-Extended; every way in which one can be wrong is one and the same 401."""

from __future__ import annotations

import base64
import re
from datetime import timedelta
from time import time
from typing import TYPE_CHECKING, Any, Literal, cast

import orjson
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token, decode_token
from flask_jwt_extended.exceptions import JWTExtendedException
from jwt import PyJWTError

from app.domain.accounts import Claims
from app.domain.errors import Unauthorized

if TYPE_CHECKING:
    from flask import Flask

ISSUER = "onedoor"
LEEWAY = 5
_OURS = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
_HEADER = {"alg": "HS256", "typ": "JWT"}
_MAX_LENGTH, _MAX_HEADER = 2048, 64
_ID = re.compile("[0-9a-z-]{1,36}")
_REFUSED = "No valid token: sign in, or show an API key, as `Authorization: Bearer TOKEN`."

Kind = Literal["access", "refresh"]


class JwtCodec:
    """Writes and reads tokens inside a request. longest: seconds, the longest life that a token of ours can have."""

    def __init__(self, app: Flask, secret: str, *, longest: int) -> None:
        app.config.update(
            JWT_SECRET_KEY=secret,
            JWT_ALGORITHM="HS256",
            JWT_DECODE_ALGORITHMS=["HS256"],
            JWT_ENCODE_ISSUER=ISSUER,
            JWT_DECODE_ISSUER=ISSUER,
            JWT_DECODE_LEEWAY=LEEWAY,
            JWT_ENCODE_NBF=True,
            JWT_TOKEN_LOCATION=["headers"],
            # Ours is the cookie of a refresh alone, kept apart by SameSite; a random claim would make each text new.
            JWT_COOKIE_CSRF_PROTECT=False,
        )
        JWTManager(app)
        self._longest = longest

    def write(self, claims: Claims, issued_at: int) -> str:
        """The same claims and moment (unix seconds) give the same text."""
        create = create_access_token if claims.kind == "access" else create_refresh_token
        said = {
            "jti": f"{claims.family}.{claims.generation}",
            "fam": claims.family,
            "gen": claims.generation,
            "iat": issued_at,
            "nbf": issued_at,
            "exp": claims.expires_at,
        }
        # The life is given for the library's sake alone: `exp` among the claims is what counts.
        life = timedelta(seconds=claims.expires_at - issued_at)
        return cast(str, create(claims.user_id, additional_claims=said, expires_delta=life))

    def read(self, token: str, kind: str) -> Claims:
        """Signature, times (5 s of skew pass), issuer, kind and the type of each claim. Raises Unauthorized."""
        if len(token) > _MAX_LENGTH or not _is_plain(token.partition(".")[0]):
            raise Unauthorized(_REFUSED)
        try:
            decode_token(token)
            # Read once more: the library fills in what is missing, so that a token without a type is an access token.
            said = orjson.loads(_decoded(token.split(".")[1]))
        except (PyJWTError, JWTExtendedException, ValueError, TypeError, OverflowError, RecursionError):
            raise Unauthorized(_REFUSED) from None
        claims = _claims(said)
        if claims is None or claims.kind != kind or claims.expires_at > time() + self._longest + LEEWAY:
            raise Unauthorized(_REFUSED)
        return claims


def _is_plain(header: str) -> bool:
    """Whether a token's head says what ours says and no more: another algorithm, a key's id or address, compression
    are not read at all, so that nothing is fetched, opened or unpacked for a header's sake."""
    if header == _OURS:
        return True
    if len(header) > _MAX_HEADER:
        return False
    try:
        said = orjson.loads(_decoded(header))
    except ValueError:
        return False
    return bool(said == _HEADER)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part.encode("ascii") + b"==")


def _claims(said: dict[str, Any]) -> Claims | None:
    """The claims where each is there and of its type; true is no number."""
    texts = [said.get(name) for name in ("type", "sub", "fam")]
    numbers = [said.get(name) for name in ("gen", "exp", "iat", "nbf")]
    if not all(type(text) is str for text in texts) or not all(type(number) is int for number in numbers):
        return None
    kind, user_id, family = cast(list[str], texts)
    generation, expires_at, _, _ = cast(list[int], numbers)
    if kind not in ("access", "refresh") or not _ID.fullmatch(user_id) or not _ID.fullmatch(family):
        return None
    return Claims(cast(Kind, kind), user_id, family, generation, expires_at)
