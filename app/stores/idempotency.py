"""Idempotency keys in Redis: who is at it now, and answers that are not long."""

from __future__ import annotations

import orjson

from app.domain.idempotency import Claim, KeptAnswer, KeyedRequest
from app.stores.scripts import Script, ScriptRunner

LONGEST = 128 * 1024
"""Bytes of an answer that is kept here; a longer one would hold up what shares the connection, and SQL has it."""

WAITING_MS = 1500
"""One who waits looks several times in so long a time."""


class HotClaims:
    """Every method raises Unavailable where Redis does not answer."""

    def __init__(self, runner: ScriptRunner) -> None:
        self._runner = runner
        self._claim = Script.load("idem_claim")
        self._end = Script.load("idem_end")
        self._forget = Script.load("idem_forget")

    def claim(self, asked: KeyedRequest, lease_ms: int) -> Claim:
        """Take the key where nobody has it; keep it where it is ours. `done` without an answer: SQL has it."""
        state, owner, more = self._runner.run(
            self._claim, [_record(asked)], [asked.fingerprint, asked.owner, lease_ms, WAITING_MS]
        )
        name = owner.decode()
        if state == b"mine":
            return Claim("mine", name, joined=more == 1)
        if state == b"done":
            return Claim("done", name, answer=_unpacked(name, more) if more else None)
        return Claim("busy" if state == b"busy" else "other", name)

    def finish(self, asked: KeyedRequest, answer: KeptAnswer, conversation: str | None, kept_ms: int) -> bool:
        """Keep the answer. False where only SQL can, since it is too long."""
        packed = _packed(answer) if len(answer.body) <= LONGEST else b""
        keys = [_record(asked), "" if conversation is None else _index(asked.user_id, conversation)]
        self._runner.run(self._end, keys, [asked.owner, asked.fingerprint, kept_ms, packed])
        return packed != b""

    def release(self, asked: KeyedRequest) -> None:
        """There is no answer: the key is free."""
        self._runner.run(self._end, [_record(asked), ""], [asked.owner, asked.fingerprint, 0, ""])

    def forget(self, user_id: str, conversation: str) -> None:
        """Nothing that was answered in this conversation is kept any more."""
        self._runner.run(self._forget, [_index(user_id, conversation)], [])


def _record(asked: KeyedRequest) -> bytes:
    return f"v1:idem:{asked.scope}:{asked.key}".encode()


def _index(user_id: str, conversation: str) -> bytes:
    return f"v1:idemconv:{user_id}:{conversation}".encode()


def _packed(answer: KeptAnswer) -> bytes:
    return orjson.dumps((answer.status, answer.content_type, answer.headers)) + b"\n" + answer.body


def _unpacked(owner: str, packed: bytes) -> KeptAnswer:
    head, _, body = packed.partition(b"\n")
    status, content_type, headers = orjson.loads(head)
    return KeptAnswer(owner, status, content_type, tuple((name, value) for name, value in headers), body)
