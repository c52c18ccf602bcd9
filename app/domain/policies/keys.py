"""When a provider's key may be asked, and which of a pool. Pure: states and a moment in, a decision out.

Moments are seconds on the worker's monotonic clock. A key that was limited cools; when that is over one request tries
it and the others wait for what it learns, so that no key that says 429 is asked more than once a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from app.domain.catalogue import Credential

LEAST_COOLING = 1.0
MOST_COOLING = 3_600.0
OUT_SECONDS = 3_600.0
BACKOFF_BASE = 1.0
BACKOFF_DOUBLINGS = 6
TRY_AGAIN_SECONDS = 1.0
#: After so long a limit is forgotten, so that a key that was limited once shares the load again.
FORGOTTEN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class KeyState:
    """cooling_until: asked again from then on; out_until: rejected by the provider, taken out until then.

    limited_at: when it was limited last, 0.0 for never; strikes: limits in a row; trying_until: one request is finding
    out until then whether the limit is over. last_error: a fault's kind, for the admin. changed_at: of two workers'
    knowledge the later one holds.
    """

    cooling_until: float = 0.0
    out_until: float = 0.0
    limited_at: float = 0.0
    strikes: int = 0
    trying_until: float = 0.0
    last_error: str | None = None
    changed_at: float = 0.0


FRESH = KeyState()


def cooling_seconds(retry_after: float | None, strikes: int, jitter: float) -> float:
    """How long a key cools after a limit: what the provider asked for, else a backoff that grows with the strikes.

    retry_after: seconds, None where it was not told or not readable. jitter: 0 to 1. Between 1 s and 1 h.
    """
    if retry_after is not None:
        return min(max(retry_after, LEAST_COOLING), MOST_COOLING)
    grown: float = BACKOFF_BASE * 2 ** min(strikes, BACKOFF_DOUBLINGS)
    return min(max(grown * (0.5 + jitter), LEAST_COOLING), MOST_COOLING)


def limited(state: KeyState, now: float, began: float, retry_after: float | None, jitter: float) -> KeyState:
    """The provider answered 429 to an attempt that began at `began`.

    One that began before the limit was known says the same limit again: a storm of them is one strike.
    """
    until = now + cooling_seconds(retry_after, state.strikes, jitter)
    if began < state.limited_at:
        if retry_after is None or until < state.cooling_until + LEAST_COOLING:
            return state
        return replace(state, cooling_until=until, changed_at=now)
    return replace(
        state,
        cooling_until=max(until, state.cooling_until),
        limited_at=now,
        strikes=state.strikes + 1,
        trying_until=0.0,
        last_error="rate_limited",
        changed_at=now,
    )


def rejected(state: KeyState, now: float) -> KeyState:
    """The provider does not take this key (401, 402, 403, no quota): out until it is changed or an hour is over."""
    if state.out_until > now:
        return state
    return replace(state, out_until=now + OUT_SECONDS, trying_until=0.0, last_error="key_rejected", changed_at=now)


def worked(state: KeyState, now: float, began: float) -> KeyState:
    """The provider took a request with it; one that began before the last refusal says nothing of now."""
    if not must_be_tried(state) or began < state.limited_at or began < state.out_until - OUT_SECONDS:
        return state
    return replace(state, strikes=0, trying_until=0.0, out_until=0.0, changed_at=now)


def wait_for(state: KeyState, now: float) -> float:
    """Seconds until this key may be asked, 0 for now."""
    return max(state.cooling_until - now, state.out_until - now, state.trying_until - now, 0.0)


def must_be_tried(state: KeyState) -> bool:
    """Whether the next request finds out for all if the limit, or the rejection, is over."""
    return state.strikes > 0 or state.out_until > 0


def tried(state: KeyState, now: float) -> KeyState:
    """One request finds out; the others hold back for a second."""
    return replace(state, trying_until=now + TRY_AGAIN_SECONDS)


def try_given_back(state: KeyState) -> KeyState:
    """The request that was to find out ended without an answer."""
    return replace(state, trying_until=0.0)


def choose(
    pool: Sequence[Credential], states: Mapping[str, KeyState], now: float, turn: int, preferred: str | None = None
) -> Credential | None:
    """The key to ask, None where none may be asked now.

    The preferred one while it may be asked (the provider's prompt cache is warm there), else the least recently
    limited; among those that never were of late, each in turn. turn: a number that grows with each request.
    """
    ready = [key for key in pool if wait_for(states.get(key.id, FRESH), now) == 0.0]
    if not ready:
        return None
    for key in ready:
        if key.id == preferred:
            return key
    limits = {key.id: _limited_at(states.get(key.id, FRESH), now) for key in ready}
    oldest = min(limits.values())
    best = [key for key in ready if limits[key.id] == oldest]
    return best[turn % len(best)]


def soonest(pool: Sequence[Credential], states: Mapping[str, KeyState], now: float) -> float | None:
    """Seconds until the first key of the pool may be asked, None for an empty pool."""
    return min((wait_for(states.get(key.id, FRESH), now) for key in pool), default=None)


def latest(known: KeyState | None, told: KeyState) -> KeyState:
    """Of what is known here and what another worker told, the later."""
    return told if known is None or told.changed_at > known.changed_at else known


def _limited_at(state: KeyState, now: float) -> float:
    return state.limited_at if now - state.limited_at < FORGOTTEN_SECONDS else 0.0
