"""Whether this node takes chats, and how what it stands on is doing."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from app.domain.errors import DomainError

State = Literal["ok", "degraded", "down", "off"]
Probe = Callable[[], tuple[State, str]]
"""Asks one dependency: its state and a few words. May raise DomainError, which is `down`."""

REMEMBERED_SECONDS = 60
"""How long a worker knows its callers while both stores are away."""


@dataclass(frozen=True, slots=True)
class Dependency:
    name: str
    state: State
    detail: str


@dataclass(frozen=True, slots=True)
class Report:
    """refusal: why no chat is taken, None where they are. What is `off` by choice degrades nothing."""

    dependencies: tuple[Dependency, ...]
    refusal: str | None

    @property
    def takes_chats(self) -> bool:
        return self.refusal is None

    @property
    def status(self) -> Literal["ok", "degraded"]:
        whole = all(row.state in ("ok", "off") for row in self.dependencies)
        return "ok" if whole and self.takes_chats else "degraded"


class Readiness:
    """Asks the probes at most twice a second, however often it is asked itself.

    probes: by name; `database` and `redis` are the two stores. refusals: the node's own reasons
    (draining, spool full, schema not at head) and whether each holds. redis_required: REDIS_DOWN=closed.
    """

    def __init__(
        self,
        probes: Mapping[str, Probe],
        refusals: Mapping[str, Callable[[], bool]],
        *,
        redis_required: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probes = dict(probes)
        self._refusals = dict(refusals)
        self._redis_required = redis_required
        self._clock = clock
        self._store_seen = clock()
        self._asked_at = float("-inf")
        self._rows: tuple[Dependency, ...] = ()

    def watch(self, name: str, probe: Probe) -> None:
        """One more row."""
        self._probes[name] = probe

    def report(self) -> Report:
        now = self._clock()
        if now - self._asked_at >= 0.5:
            self._rows = tuple(_asked(name, probe) for name, probe in self._probes.items())
            self._asked_at = now
        return Report(self._rows, self._refusal(now))

    def _refusal(self, now: float) -> str | None:
        for reason, holds in self._refusals.items():
            if holds():
                return reason
        down = {row.name for row in self._rows if row.state == "down"}
        if not {"database", "redis"} <= down:
            self._store_seen = now
        if now - self._store_seen >= REMEMBERED_SECONDS:
            return "both stores are away"
        if self._redis_required and "redis" in down:
            return "redis is away"
        return None


def _asked(name: str, probe: Probe) -> Dependency:
    try:
        state, detail = probe()
    except DomainError as error:
        return Dependency(name, "down", error.message)
    return Dependency(name, state, detail)
