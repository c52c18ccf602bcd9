"""What this worker knows of keys and models: who cools, who is out, who is open, who is quick.

The truth of each decision is here, in memory, so that a chat asks nobody; what changes is told to the other workers
through the store, and what they changed is read when its counter moves. Without the store each worker learns alone.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from app.domain.catalogue import Credential
from app.domain.errors import ProviderFault, Unavailable
from app.domain.policies import breaker, keys
from app.domain.policies.breaker import CLOSED, BreakerState
from app.domain.policies.keys import FRESH, KeyState
from app.domain.policies.speed import Speed, observed
from app.utils.clock import monotonic

log = logging.getLogger(__name__)


class HealthStore(Protocol):
    """Shares states among workers. Every method raises Unavailable."""

    def tell_key(self, key_id: str, state: KeyState, now: float) -> None: ...

    def tell_breaker(self, model_id: str, state: BreakerState, now: float) -> None: ...

    def read(self, now: float) -> tuple[Mapping[str, KeyState], Mapping[str, BreakerState]]:
        """All that is known, as moments on this worker's clock."""

    def claim(self, what: str, seconds: float) -> bool:
        """Whether this worker, of all, may be the one that tries it during the next seconds."""

    def count(self, uses: Mapping[str, int]) -> None:
        """Add to how often each key was used."""


class HealthBoard:
    """clock: monotonic seconds. jitter: a number from 0 to 1, new at each call."""

    def __init__(
        self,
        store: HealthStore,
        clock: Callable[[], float] = monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._clock = clock
        self._jitter = jitter
        self._epoch = 0
        self._turn = 0
        self._uses: Counter[str] = Counter()
        self.keys: dict[str, KeyState] = {}
        self.breakers: dict[str, BreakerState] = {}
        self.speeds: dict[str, Speed] = {}

    def credential(self, pool: Sequence[Credential], preferred: str | None = None) -> Credential | None:
        """A key of the pool that may be asked now, None where all cool or are out."""
        now = self._clock()
        self._turn += 1
        while True:
            chosen = keys.choose(pool, self.keys, now, self._turn, preferred)
            if chosen is None or self._may_try(chosen, now):
                return chosen

    def wait_for_key(self, pool: Sequence[Credential]) -> float:
        """Seconds until a key of the pool may be asked."""
        return keys.soonest(pool, self.keys, self._clock()) or 0.0

    def may_pass(self, model_id: str) -> bool:
        """Whether a request may go to this model now; of an open breaker's probes only one worker's one passes."""
        state = self.breakers.get(model_id)
        if state is None or state.is_closed:
            return True
        now = self._clock()
        if not breaker.may_pass(state, now):
            return False
        mine = self._claim(f"model:{model_id}", breaker.PROBE_SECONDS)
        self.breakers[model_id] = breaker.probing(state, now)
        return mine

    def is_open(self, model_id: str) -> bool:
        """Whether this model's breaker is open or being probed, without taking the probe."""
        state = self.breakers.get(model_id)
        return state is not None and not state.is_closed

    def wait_for_model(self, model_id: str) -> float:
        return breaker.wait_for(self.breakers.get(model_id, CLOSED), self._clock())

    def succeeded(self, model_id: str, key_id: str, ttft_ms: int, tokens: int, seconds: float) -> None:
        """A whole answer came. tokens: of the answer, over so many seconds from its first content."""
        now = self._clock()
        self._uses[key_id] += 1
        self.speeds[model_id] = observed(self.speeds.get(model_id), ttft_ms, tokens, seconds)
        state = self.keys.get(key_id)
        if state is not None and (state.strikes or state.out_until or state.trying_until):
            self._set_key(key_id, keys.worked(state), now)
        known = self.breakers.get(model_id)
        if known is not None:
            self._set_breaker(model_id, breaker.succeeded(known, now), now)

    def failed(self, model_id: str, key_id: str, fault: ProviderFault) -> None:
        """An attempt ended in this fault: learn what it says about the key or the model."""
        now = self._clock()
        self._uses[key_id] += 1
        if fault.kind == "rate_limited":
            state = self.keys.get(key_id, FRESH)
            self._set_key(key_id, keys.limited(state, now, fault.retry_after, self._jitter()), now)
        elif fault.kind == "key_rejected":
            self._set_key(key_id, keys.rejected(self.keys.get(key_id, FRESH), now), now)
        if fault.kind in breaker.COUNTED:
            self._set_breaker(model_id, breaker.failed(self.breakers.get(model_id, CLOSED), now), now)

    def abandoned(self, model_id: str, key_id: str) -> None:
        """An attempt ended without telling anything (its client left): let another one find out."""
        now = self._clock()
        state = self.breakers.get(model_id)
        if state is not None and not state.is_closed and state.probing_until > now:
            self.breakers[model_id] = breaker.probe_given_back(state)
        key = self.keys.get(key_id)
        if key is not None and key.trying_until > now:
            self.keys[key_id] = keys.try_given_back(key)

    def saw_epoch(self, epoch: int) -> None:
        """Told by every admission and the watch: another number means that another worker learned something."""
        if epoch == self._epoch:
            return
        try:
            told_keys, told_breakers = self._store.read(self._clock())
        except Unavailable:
            return
        self._epoch = epoch
        self.keys.update(told_keys)
        self.breakers.update(told_breakers)

    def flush_uses(self) -> None:
        """Tell how often each key was used since the last time. Raises Unavailable, and keeps the numbers."""
        if self._uses:
            self._store.count(self._uses)
            self._uses.clear()

    def _may_try(self, key: Credential, now: float) -> bool:
        """Whether this request may use the key: at once where it was not limited, else only one finds out for all."""
        state = self.keys.get(key.id)
        if state is None or not keys.must_be_tried(state):
            return True
        mine = self._claim(f"key:{key.id}", keys.TRY_AGAIN_SECONDS)
        self.keys[key.id] = keys.tried(state, now)
        return mine

    def _claim(self, what: str, seconds: float) -> bool:
        try:
            return self._store.claim(what, seconds)
        except Unavailable:
            return True

    def _set_key(self, key_id: str, state: KeyState, now: float) -> None:
        self.keys[key_id] = state
        self._tell(lambda: self._store.tell_key(key_id, state, now))

    def _set_breaker(self, model_id: str, state: BreakerState, now: float) -> None:
        known = self.breakers.get(model_id, CLOSED)
        self.breakers[model_id] = state
        # Closed and closed again is each worker's own count; only the turns are news.
        if known.is_closed != state.is_closed or not state.is_closed:
            self._tell(lambda: self._store.tell_breaker(model_id, state, now))

    def _tell(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except Unavailable as fault:
            log.debug("the other workers are not told: %s", fault.message)
