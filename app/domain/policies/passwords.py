"""Passwords: which are taken, and which bytes are hashed."""

from __future__ import annotations

import unicodedata

from app.domain.errors import InvalidRequest

MIN_CHARACTERS = 8
MAX_BYTES = 1024


def password_bytes(password: str, *, field: str = "password") -> bytes:
    """The bytes that are hashed: NFC (RFC 8265), so that a composed and a decomposed é are one; NUL is a byte as any.

    Raises InvalidRequest over 1,024 bytes, before or after, and for what is no text (a lone surrogate).
    """
    try:
        raw = password.encode()
    except UnicodeEncodeError:
        raise InvalidRequest("The password is no valid text.", field=field) from None
    if len(raw) <= MAX_BYTES:
        raw = unicodedata.normalize("NFC", password).encode()
    if len(raw) > MAX_BYTES:
        raise InvalidRequest(f"A password has at most {MAX_BYTES} bytes.", field=field)
    return raw


def new_password_bytes(password: str, *, field: str = "password") -> bytes:
    """The same for a password that is being chosen: 8 characters or more, with upper case, lower case and a digit."""
    raw = password_bytes(password, field=field)
    text = raw.decode()
    kinds = (str.isupper, str.islower, str.isdigit)
    if len(text) < MIN_CHARACTERS or not all(any(kind(char) for char in text) for kind in kinds):
        raise InvalidRequest(
            f"A password has {MIN_CHARACTERS} characters or more, among them upper case, lower case and a digit.",
            field=field,
        )
    return raw
