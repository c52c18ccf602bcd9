"""Argon2id off the event loop, in threads of its own, so that a storm of sign-ins delays no chat."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from typing import TypeVar

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from app.domain.errors import Overloaded
from app.utils.pools import ThreadLane

T = TypeVar("T")

THREADS = 2
MAX_WAITING = 50


class PasswordHasher:
    """19 MiB and about 23 ms of a core a password (OWASP's second choice of parameters).

    Raises Overloaded at once where more than `max_waiting` passwords wait for a thread.
    """

    def __init__(self, lane: ThreadLane, *, max_waiting: int = MAX_WAITING) -> None:
        self._lane = lane
        self._limit = THREADS + max_waiting
        self._inside = 0
        self._argon2 = argon2.PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
        self._nobodys = _random_hash(self._argon2)

    def hash(self, password: bytes) -> str:
        return self._run(lambda: self._argon2.hash(password))

    def matches(self, password: bytes, stored: str | None) -> bool:
        """Whether it is the password. For None, a user who does not exist, the same work is done in vain."""
        found = self._run(lambda: self._verify(password, stored or self._nobodys))
        return found and stored is not None

    def _verify(self, password: bytes, stored: str) -> bool:
        try:
            return self._argon2.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    def _run(self, work: Callable[[], T]) -> T:
        if self._inside >= self._limit:
            raise Overloaded("Too many sign-ins at once.", retry_after=1)
        self._inside += 1
        try:
            return self._lane.run(work)
        finally:
            self._inside -= 1


def _random_hash(hasher: argon2.PasswordHasher) -> str:
    """A hash of no password: as dear to check as a real one, and made without hashing."""
    salt, digest = (base64.b64encode(os.urandom(size)).decode().rstrip("=") for size in (16, 32))
    cost = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"
