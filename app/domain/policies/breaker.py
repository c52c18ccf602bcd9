"""A circuit breaker a model. Pure: a state, an outcome and a moment in, a state out.

Open, it spares callers a model that fails; after a rest one request at a time tries it, and the first success closes
it. Moments are seconds on the worker's monotonic clock.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

CONSECUTIVE = 5
WINDOW_SECONDS = 30.0
WINDOW_LEAST = 20
WINDOW_SHARE = 0.5
FIRST_REST = 2.0
MOST_REST = 15.0
PROBE_SECONDS = 15.0

#: Faults that say something about the model; the others are about a key, the caller or ourselves.
COUNTED = frozenset(
    {"connect", "tls", "reset", "server_error", "bad_reply", "first_token_timeout", "stalled", "cut", "model_gone"}
)


@dataclass(frozen=True, slots=True)
class BreakerState:
    """failures: in a row. good, bad: outcomes since window_from. open_until: 0.0 where it is closed.

    rest: how long it was open last, in seconds; probing_until: one request tries the model until then. changed_at: when
    it opened, opened again or closed last.
    """

    failures: int = 0
    good: int = 0
    bad: int = 0
    window_from: float = 0.0
    open_until: float = 0.0
    rest: float = 0.0
    probing_until: float = 0.0
    changed_at: float = 0.0

    @property
    def is_closed(self) -> bool:
        return self.open_until == 0.0


CLOSED = BreakerState()


def succeeded(state: BreakerState, now: float, began: float) -> BreakerState:
    """A success of an attempt that began since the last turn closes it whatever it was."""
    if began < state.changed_at:
        return state
    if not state.is_closed:
        return replace(CLOSED, window_from=now, good=1, changed_at=now)
    fresh = _in_window(state, now)
    return replace(fresh, failures=0, good=fresh.good + 1)


def failed(state: BreakerState, now: float, began: float) -> BreakerState:
    """A counted failure: opens on five in a row, or on half of at least twenty within 30 s; a probe's failure opens
    it anew for twice as long, at most 15 s. An attempt that began before the last turn says what is known."""
    if began < state.changed_at:
        return state
    if not state.is_closed:
        rest = min(max(state.rest * 2, FIRST_REST), MOST_REST)
        return replace(
            state, failures=state.failures + 1, open_until=now + rest, rest=rest, probing_until=0.0, changed_at=now
        )
    fresh = _in_window(state, now)
    state = replace(fresh, failures=fresh.failures + 1, bad=fresh.bad + 1)
    total = state.good + state.bad
    if state.failures >= CONSECUTIVE or (total >= WINDOW_LEAST and state.bad >= total * WINDOW_SHARE):
        return replace(state, open_until=now + FIRST_REST, rest=FIRST_REST, changed_at=now)
    return state


def may_pass(state: BreakerState, now: float) -> bool:
    """Whether a request may go to the model now; through an open breaker only as a probe."""
    return state.is_closed or (now >= state.open_until and now >= state.probing_until)


def probing(state: BreakerState, now: float) -> BreakerState:
    """One request tries the model; the others stay away until it has learned something."""
    return replace(state, probing_until=now + PROBE_SECONDS)


def probe_given_back(state: BreakerState) -> BreakerState:
    """The probe ended without saying anything about the model."""
    return replace(state, probing_until=0.0)


def wait_for(state: BreakerState, now: float) -> float:
    """Seconds until a request may pass, 0 for now."""
    return 0.0 if state.is_closed else max(state.open_until - now, state.probing_until - now, 0.0)


def latest(known: BreakerState | None, told: BreakerState) -> BreakerState:
    """Of what is known here and what another worker told, the later."""
    return told if known is None or told.changed_at > known.changed_at else known


def _in_window(state: BreakerState, now: float) -> BreakerState:
    if now - state.window_from <= WINDOW_SECONDS:
        return state
    return replace(state, good=0, bad=0, window_from=now)
