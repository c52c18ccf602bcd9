"""Kept answers in Redis, and who is asking for which of them now, over all workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, cast

from app.domain.cached import Look
from app.domain.policies.cache_key import CacheKey
from app.stores.scripts import Argument, Script, ScriptRunner

LONGEST: Final = 128 * 1024
"""Bytes of an answer that is kept; a longer one would hold up what shares the connection."""

_INDEX: Final = ("v1:caches", "v1:caches:sizes", "v1:caches:bytes")
_FILLED: Final = "v1:caches:filled"


class HotCache:
    """most_bytes: of all that is kept here, CACHE_MAX_MB.

    Every method raises Unavailable where Redis does not answer.
    """

    def __init__(self, runner: ScriptRunner, most_bytes: int) -> None:
        self._runner = runner
        self._most = most_bytes
        self._look = Script.load("cache_look")
        self._keep = Script.load("cache_keep", "caches")
        self._drop = Script.load("cache_drop", "caches")
        self._hold = Script.load("cache_hold")

    def look(self, key: CacheKey, asker: str, lease_ms: int) -> Look:
        """What is kept, or who is asking for it; where nobody is, `asker` is from now on, for so long."""
        state, more = self._runner.run(self._look, (_entry(key), _flight(key), _FILLED), (asker, lease_ms))
        if state == b"hit":
            return Look("hit", more)
        return Look(cast('Literal["busy", "mine"]', state.decode()), cold=more == 1)

    def keep(self, key: CacheKey, body: bytes, life_ms: int, *, asker: str = "", refilled: bool = False) -> bool:
        """Keep it, and let go of what `asker` held. refilled: it is from SQL and replaces nothing. False where it was
        not taken, or is too large to be."""
        if len(body) > LONGEST or life_ms <= 0:
            if asker:
                self.let_go(key, asker)
            return False
        keys = (_entry(key), _flight(key), *_INDEX)
        return bool(self._runner.run(self._keep, keys, (asker, body, life_ms, self._most, int(refilled))))

    def drop(self, keys: Sequence[CacheKey]) -> None:
        """None of these is found again."""
        if keys:
            self._runner.run(self._drop, (*_INDEX, *map(_entry, keys)), ())

    def let_go(self, key: CacheKey, asker: str) -> None:
        """It came to nothing that is kept: whoever waits asks."""
        self._runner.run(self._hold, (_flight(key),), (0, asker))

    def renew(self, askers: Mapping[CacheKey, str], lease_ms: int) -> None:
        """They are still at it."""
        if askers:
            args: list[Argument] = [lease_ms, *askers.values()]
            self._runner.run(self._hold, [_flight(key) for key in askers], args)

    @property
    def filled(self) -> bool:
        """Whether all that SQL has is here too."""
        return bool(self._runner.command("EXISTS", _FILLED))

    def mark_filled(self) -> None:
        self._runner.command("SET", _FILLED, "1")

    def claim(self, what: str, seconds: int) -> bool:
        """One worker of all has it to do for so long: whether it is us."""
        return self._runner.command("SET", f"v1:try:cache-{what}", "1", "NX", "EX", seconds) is not None


def _entry(key: CacheKey) -> str:
    return f"v1:cache:{key.tenant}:{key.digest}"


def _flight(key: CacheKey) -> str:
    return f"v1:flight:{key.tenant}:{key.digest}"
