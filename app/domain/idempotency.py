"""One request asked twice under one Idempotency-Key, and what is kept of its answer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A request under an Idempotency-Key.

    scope: whose key it is; no two callers share one. fingerprint: see `fingerprint`. owner: this request's own id, by
    which its claim is known. user_id: of the caller, by whom a conversation's answers are found again.
    """

    scope: str
    key: str
    fingerprint: bytes
    owner: str
    user_id: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A whole answer as it was sent, but for comment lines. owner: the id of the request that it was made for."""

    owner: str
    status: int
    content_type: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Busy:
    """Another request is answering it. owner: that one's id."""

    owner: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What came of claiming a key.

    state: `mine`: to be answered by who asks (again: the claim lives on); `busy`: another one is at it; `other`: the
    key was used for another request; `done`: it was answered. owner: who has it. joined: somebody waits for it.
    answer: of one that is done, where it is kept here.
    """

    state: Literal["mine", "busy", "other", "done"]
    owner: str
    joined: bool = False
    answer: KeptAnswer | None = None


def fingerprint(method: str, path: str, query: str, body: bytes) -> bytes:
    """32 bytes that are equal for equal requests alone. Each part goes in with its length, so that none runs into the
    next."""
    digest = hashlib.sha256()
    for part in (method.encode(), path.encode("utf-8", "surrogateescape"), query.encode("latin-1", "replace"), body):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()
