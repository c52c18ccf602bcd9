"""What this worker knows of keys and models: who cools, who is out, who is open, who is quick.

The truth of each decision is here, in memory, so that a chat asks nobody; what changes is told to the other workers
through the store, and what they changed is read when its counter moves. Without the store each worker learns alone.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from app.domain.catalogue import Credential
from app.domain.errors import ProviderFault, Unavailable
from app.domain.policies import breaker, keys, speed
from app.domain.policies.breaker import CLOSED, BreakerState
from app.domain.policies.keys import FRESH, KeyState
from app.domain.policies.speed import Speed
from app.utils.clock import monotonic, rfc3339, utcnow

log = logging.getLogger(__name__)


class HealthStore(Protocol):
    """Shares states among workers. Every method raises Unavailable."""

    def tell_key(self, key_id: str, state: KeyState, now: float) -> None: ...

    def tell_breaker(self, model_id: str, state: BreakerState, now: float) -> None: ...

    def read(self, now: float) -> tuple[Mapping[str, KeyState], Mapping[str, BreakerState]]:
        """All that is known, as moments on this worker's clock."""

    def claim(self, what: str, seconds: float) -> bool:
        """Whether this worker, of all, may be the one that tries it during the next seconds."""

    def give_back(self, what: str) -> None:
        """The claim is over: the next one may try."""

    def count(self, uses: Mapping[str, int]) -> None:
        """Add to how often each key was used."""

    def uses(self) -> Mapping[str, int]:
        """How often each key was used, over all workers."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to ask a model once, with this key, from now on; hand it back with what came of it.

    probes: the model's breaker is open and this attempt finds out for all whether it answers again.
    """

    model_id: str
    credential: Credential
    began: float
    probes: bool = False


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What an admin is shown of a provider's key. is_current: the next request to its provider is asked with it."""

    provider: str
    key: str
    usage_count: int
    last_error: str | None
    is_current: bool
    cooling_until: str | None


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
        self._turns: Counter[str] = Counter()
        self._uses: Counter[str] = Counter()
        self.keys: dict[str, KeyState] = {}
        self.breakers: dict[str, BreakerState] = {}
        self.speeds: dict[str, Speed] = {}

    # --- asking for the right to ask ----------------------------------------------------------------------------

    def ticket(self, model_id: str, pool: Sequence[Credential], preferred: str | None = None) -> Ticket | None:
        """The right to ask now, None where all keys cool or are out, or the model's breaker lets nobody through."""
        if self.wait_for_model(model_id):
            return None
        credential = self._credential(pool, preferred)
        if credential is None:
            return None
        probes = self.is_open(model_id)
        if probes and not self._may_probe(model_id):
            self._give_key_back(credential.id)
            return None
        self._uses[credential.id] += 1
        return Ticket(model_id, credential, self._clock(), probes)

    def wait_for_key(self, pool: Sequence[Credential]) -> float:
        """Seconds until a key of the pool may be asked, 0 for now."""
        return keys.soonest(pool, self.keys, self._clock()) or 0.0

    def are_out(self, pool: Sequence[Credential]) -> bool:
        """Whether the provider has rejected every key of the pool."""
        now = self._clock()
        return all(self.keys.get(key.id, FRESH).out_until > now for key in pool)

    def wait_for_model(self, model_id: str) -> float:
        """Seconds until a request may pass this model's breaker, 0 for now."""
        return breaker.wait_for(self.breakers.get(model_id, CLOSED), self._clock())

    def is_open(self, model_id: str) -> bool:
        """Whether this model's breaker is open or being probed, without taking the probe."""
        state = self.breakers.get(model_id)
        return state is not None and not state.is_closed

    # --- handing it back ----------------------------------------------------------------------------------------

    def succeeded(self, ticket: Ticket, ttft_ms: int, tokens: int, seconds: float) -> None:
        """A whole answer came. tokens: of the answer, over so many seconds from its first content."""
        now, model_id, key_id = self._clock(), ticket.model_id, ticket.credential.id
        self.speeds[model_id] = speed.observed(self.speeds.get(model_id), ttft_ms, tokens, seconds, now)
        state = self.keys.get(key_id)
        if state is not None:
            self._set_key(key_id, keys.worked(state, now, ticket.began), now)
        known = self.breakers.get(model_id)
        if known is not None:
            self._set_breaker(model_id, breaker.succeeded(known, now, ticket.began), now)
        self._probed(ticket)

    def failed(self, ticket: Ticket, fault: ProviderFault) -> None:
        """An attempt ended in this fault: learn what it says about the key or the model."""
        now, model_id, key_id = self._clock(), ticket.model_id, ticket.credential.id
        state = self.keys.get(key_id, FRESH)
        if fault.kind == "rate_limited":
            state = keys.limited(state, now, ticket.began, fault.retry_after, self._jitter())
        elif fault.kind == "key_rejected":
            state = keys.rejected(state, now)
        elif fault.status is not None:
            state = keys.worked(state, now, ticket.began)
        self._set_key(key_id, state, now)
        if fault.kind in breaker.COUNTED:
            self.speeds[model_id] = speed.waited_in_vain(self.speeds.get(model_id), now - ticket.began, now)
            known = self.breakers.get(model_id, CLOSED)
            self._set_breaker(model_id, breaker.failed(known, now, ticket.began), now)
        elif ticket.probes:
            self._give_probe_back(model_id)
        self._probed(ticket)

    def abandoned(self, ticket: Ticket) -> None:
        """An attempt ended without telling anything (its client left): let another one find out."""
        if ticket.probes:
            self._give_probe_back(ticket.model_id)
        self._give_key_back(ticket.credential.id)
        self._probed(ticket)

    # --- what others know ---------------------------------------------------------------------------------------

    def saw_epoch(self, epoch: int) -> None:
        """Told by every admission and the watch: another number means that another worker learned something."""
        if epoch == self._epoch:
            return
        before, self._epoch = self._epoch, epoch
        try:
            told_keys, told_breakers = self._store.read(self._clock())
        except Unavailable:
            self._epoch = before
            return
        for key_id, key in told_keys.items():
            self.keys[key_id] = keys.latest(self.keys.get(key_id), key)
        for model_id, state in told_breakers.items():
            self.breakers[model_id] = breaker.latest(self.breakers.get(model_id), state)

    def flush_uses(self) -> None:
        """Tell how often each key was used since the last time. Raises Unavailable, and keeps the numbers."""
        uses, self._uses = self._uses, Counter()
        if not uses:
            return
        try:
            self._store.count(uses)
        except Unavailable:
            self._uses.update(uses)
            raise

    def renewed(self, key_id: str) -> None:
        """An admin has stored this key anew: forget what was held against it, on all workers."""
        now = self._clock()
        self._set_key(key_id, KeyState(changed_at=now), now)

    def facts(self, pools: Mapping[str, Sequence[Credential]]) -> list[KeyFacts]:
        """Every key of these pools (by provider) for an admin's eyes. Raises Unavailable."""
        uses, now, here = Counter(self._store.uses()), self._clock(), utcnow()
        uses.update(self._uses)
        return [
            self._facts(provider, key, pool, uses[key.id], now, here)
            for provider, pool in pools.items()
            for key in pool
            if key.secret
        ]

    def _facts(
        self, provider: str, key: Credential, pool: Sequence[Credential], uses: int, now: float, here: datetime
    ) -> KeyFacts:
        state = self.keys.get(key.id, FRESH)
        wait = keys.wait_for(state, now)
        current = keys.choose(pool, self.keys, now, self._turns[provider] + 1)
        return KeyFacts(
            provider,
            key.mask,
            uses,
            state.last_error,
            current is key,
            rfc3339(here + timedelta(seconds=wait)) if wait else None,
        )

    # --- inside -------------------------------------------------------------------------------------------------

    def _credential(self, pool: Sequence[Credential], preferred: str | None) -> Credential | None:
        """A key that may be asked now: at once where it was not limited, else only one request finds out for all."""
        turn = self._turns[pool[0].integration] = self._turns[pool[0].integration] + 1
        while True:
            now = self._clock()
            chosen = keys.choose(pool, self.keys, now, turn, preferred)
            state = self.keys.get(chosen.id) if chosen else None
            if chosen is None or state is None or not keys.must_be_tried(state):
                return chosen
            self.keys[chosen.id] = keys.tried(state, now)
            if self._claim(f"key:{chosen.id}", keys.TRY_AGAIN_SECONDS):
                return chosen

    def _may_probe(self, model_id: str) -> bool:
        now, state = self._clock(), self.breakers[model_id]
        if not breaker.may_pass(state, now):
            return False
        self.breakers[model_id] = breaker.probing(state, now)
        return self._claim(f"model:{model_id}", breaker.PROBE_SECONDS)

    def _give_probe_back(self, model_id: str) -> None:
        state = self.breakers.get(model_id)
        if state is not None and not state.is_closed:
            self.breakers[model_id] = breaker.probe_given_back(state)

    def _give_key_back(self, key_id: str) -> None:
        """Not the claim: it says that the key was asked within this second, as it may have been."""
        state = self.keys.get(key_id)
        if state is not None and state.trying_until > self._clock():
            self.keys[key_id] = keys.try_given_back(state)

    def _probed(self, ticket: Ticket) -> None:
        if ticket.probes:
            self._tell(lambda: self._store.give_back(f"model:{ticket.model_id}"))

    def _claim(self, what: str, seconds: float) -> bool:
        try:
            return self._store.claim(what, seconds)
        except Unavailable:
            return True

    def _set_key(self, key_id: str, state: KeyState, now: float) -> None:
        known = self.keys.get(key_id, FRESH)
        if state is known:
            return
        self.keys[key_id] = state
        self._tell(lambda: self._store.tell_key(key_id, state, now))

    def _set_breaker(self, model_id: str, state: BreakerState, now: float) -> None:
        known = self.breakers.get(model_id, CLOSED)
        self.breakers[model_id] = state
        # What a worker counts while it is closed is its own; only the turns are news.
        if known.changed_at != state.changed_at:
            self._tell(lambda: self._store.tell_breaker(model_id, state, now))

    def _tell(self, tell: Callable[[], None]) -> None:
        try:
            tell()
        except Unavailable as fault:
            log.debug("the other workers are not told: %s", fault.message)
