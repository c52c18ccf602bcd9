"""Identifiers that we make."""

from __future__ import annotations

import os
import secrets

import uuid_utils


def new_id() -> str:
    """A time-ordered id (UUID version 7, RFC 9562), 36 characters, in order within a process."""
    return str(uuid_utils.uuid7())


def new_public_id() -> str:
    """128 random bits as 32 hexadecimal digits: nobody guesses it and it tells no time."""
    return os.urandom(16).hex()


def new_secret(nbytes: int = 32) -> str:
    """A secret as URL-safe text."""
    return secrets.token_urlsafe(nbytes)
