"""Answers that are kept to be given again, to whoever asks the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from app.domain.policies.cache_key import CacheKey
from app.domain.usage import Usage
from app.domain.wishes import Source


@dataclass(frozen=True, slots=True)
class KeptChoice:
    """One of `n` whole answers that a model ended by itself."""

    text: str
    reasoning: str = ""
    logprobs: Any = None


@dataclass(frozen=True, slots=True)
class KeptReply:
    """A whole answer, who gave it and what it took then."""

    model: str
    provider: str
    choices: tuple[KeptChoice, ...]
    usage: Usage
    sources: tuple[Source, ...] = ()


@dataclass(frozen=True, slots=True)
class NearMeans:
    """What finds an answer by a near-equal question. vector: of the bare question by this embedder, float32."""

    scope: str
    question: str
    embedder: str | None = None
    vector: bytes | None = None


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """An answer as both stores keep it. body: as `policies.cache_entry` packs it. conversation: the row id of the one
    that it was said in and goes with, None where none is kept."""

    key: CacheKey
    body: bytes
    created_at: datetime
    expires_at: datetime
    conversation: str | None = None
    near: NearMeans | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What the hot store knows of a key.

    state: `hit` with the body; `busy` where another worker is asking for it now; `mine` where we are to ask.
    cold: the store does not know all that SQL has, so that a miss is none yet.
    """

    state: Literal["hit", "busy", "mine"]
    body: bytes = b""
    cold: bool = False
