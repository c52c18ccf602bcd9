"""What the workers tell each other of keys and models: who cools, who is out, whose breaker is open.

Moments travel as distances from now: each worker has its own monotonic clock, and Redis's stands between them.
"""

from __future__ import annotations

from collections.abc import Mapping

from app.domain.policies.breaker import MOST_REST, PROBE_SECONDS, BreakerState
from app.domain.policies.keys import MOST_COOLING, OUT_SECONDS, TRY_AGAIN_SECONDS, KeyState
from app.stores.scripts import Argument, Script, ScriptRunner

KNOWN = "v1:health"
EPOCH = "v1:epoch:health"
USES = "v1:health:uses"
#: Each moment with how far ahead it can be: a server's clock that was set back does not keep a key out for a day.
KEY_MOMENTS = {
    "cooling_until": MOST_COOLING,
    "out_until": OUT_SECONDS,
    "limited_at": 0.0,
    "trying_until": TRY_AGAIN_SECONDS,
    "changed_at": 0.0,
}
BREAKER_MOMENTS = {"window_from": 0.0, "open_until": MOST_REST, "probing_until": PROBE_SECONDS, "changed_at": 0.0}


class HealthState:
    """Implements `services.chat.health.HealthStore`. Every method raises Unavailable."""

    def __init__(self, runner: ScriptRunner) -> None:
        self._runner = runner
        self._tell_script = Script.load("health_tell")
        self._read_script = Script.load("health_read")
        self._count_script = Script.load("health_count")
        self._bump = Script.load("bump")

    def tell_key(self, key_id: str, state: KeyState, now: float) -> None:
        moments = [_distance(getattr(state, name), now) for name in KEY_MOMENTS]
        self._tell(f"k:{key_id}", moments, f"{state.strikes} {state.last_error or '-'}")

    def tell_breaker(self, model_id: str, state: BreakerState, now: float) -> None:
        moments = [_distance(getattr(state, name), now) for name in BREAKER_MOMENTS]
        self._tell(f"b:{model_id}", moments, f"{state.failures} {state.rest}")

    def read(self, now: float) -> tuple[Mapping[str, KeyState], Mapping[str, BreakerState]]:
        """Moments are on the caller's clock, by which it is `now`."""
        told, *flat = self._runner.run(self._read_script, [KNOWN], [])
        there = int(told)
        keys: dict[str, KeyState] = {}
        breakers: dict[str, BreakerState] = {}
        for field, value in zip(flat[::2], flat[1::2], strict=True):
            kind, _, name = field.decode().partition(":")
            words = value.decode().split(" ")
            if kind == "k":
                keys[name] = _key(words, there, now)
            elif kind == "b":
                breakers[name] = _breaker(words, there, now)
        return keys, breakers

    def claim(self, what: str, seconds: float) -> bool:
        """Whether this caller, of all workers, may do it during the next seconds."""
        return self._runner.command("SET", f"v1:try:{what}", "1", "NX", "PX", int(seconds * 1000)) is not None

    def give_back(self, what: str) -> None:
        """The claim is over: the next one may try."""
        self._runner.command("DEL", f"v1:try:{what}")

    def count(self, uses: Mapping[str, int]) -> None:
        """Add to how often each key was used."""
        flat: list[Argument] = [word for key_id, times in uses.items() for word in (key_id, times)]
        self._runner.run(self._count_script, [USES], flat)

    def uses(self) -> Mapping[str, int]:
        """How often each key was used, over all workers."""
        flat = self._runner.command("HGETALL", USES)
        return {name.decode(): int(times) for name, times in zip(flat[::2], flat[1::2], strict=True)}

    def _tell(self, field: str, moments: list[Argument], rest: str) -> None:
        self._runner.run(self._tell_script, [KNOWN], [field, *moments, rest])
        self._runner.run(self._bump, [EPOCH], [])


def _distance(moment: float, now: float) -> Argument:
    return int((moment - now) * 1000) if moment else ""


def _moments(words: list[str], farthest: Mapping[str, float], there: int, now: float) -> list[float]:
    return [
        now + min((int(word) - there) / 1000, ahead) if word != "0" else 0.0
        for word, ahead in zip(words, farthest.values(), strict=False)
    ]


def _key(words: list[str], there: int, now: float) -> KeyState:
    cooling, out, limited, trying, changed = _moments(words, KEY_MOMENTS, there, now)
    strikes, error = words[len(KEY_MOMENTS) :]
    return KeyState(cooling, out, limited, int(strikes), trying, None if error == "-" else error, changed)


def _breaker(words: list[str], there: int, now: float) -> BreakerState:
    window_from, open_until, probing_until, changed = _moments(words, BREAKER_MOMENTS, there, now)
    failures, rest = words[len(BREAKER_MOMENTS) :]
    return BreakerState(int(failures), 0, 0, window_from, open_until, float(rest), probing_until, changed)
