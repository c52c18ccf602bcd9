"""Kept answers as bytes: what both stores hold. Pure."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final, cast

from app.domain.cached import KeptChoice, KeptReply
from app.domain.policies.cache_key import CacheKey
from app.domain.usage import Usage
from app.domain.wishes import Source

FORM: Final = b"c1"
SEAL: Final = 16
"""Bytes of a digest of the key and the rest: what is damaged, or lies under another's key, is no answer."""


def packed(key: CacheKey, reply: KeptReply) -> bytes:
    usage = reply.usage
    body = json.dumps(
        [
            reply.model,
            reply.provider,
            [[choice.text, choice.reasoning, choice.logprobs] for choice in reply.choices],
            [usage.prompt, usage.completion, usage.cached, usage.reasoning, usage.source],
            [[source.title, source.url, source.file, source.page, source.text] for source in reply.sources],
        ],
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode("utf-8", "surrogatepass")
    return FORM + _seal(key, body) + body


def unpacked(key: CacheKey, data: bytes) -> KeptReply | None:
    """None for what is damaged, of another form, or another key's."""
    start = len(FORM) + SEAL
    body = data[start:]
    if not data.startswith(FORM) or data[len(FORM) : start] != _seal(key, body):
        return None
    model, provider, choices, usage, sources = cast("list[Any]", json.loads(body.decode("utf-8", "surrogatepass")))
    return KeptReply(
        model,
        provider,
        tuple(KeptChoice(text, reasoning, logprobs) for text, reasoning, logprobs in choices),
        Usage(*usage),
        tuple(Source(*source) for source in sources),
    )


def _seal(key: CacheKey, body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=SEAL, key=key.digest.encode()).digest()
