"""A model that fails is spared its callers, tried by one at a time, and back soon after it recovers."""

from __future__ import annotations

from app.domain.policies import breaker
from app.domain.policies.breaker import CLOSED, FIRST_REST, MOST_REST, BreakerState

NOW = 1_000.0


def fail(state: BreakerState, times: int = 1, at: float = NOW) -> BreakerState:
    for _ in range(times):
        state = breaker.failed(state, at, at)
    return state


def opened(at: float = NOW) -> BreakerState:
    return fail(CLOSED, breaker.CONSECUTIVE, at)


def test_five_failures_in_a_row_open_it() -> None:
    assert fail(CLOSED, 4).is_closed
    assert not opened().is_closed
    assert breaker.wait_for(opened(), NOW) == FIRST_REST


def test_a_success_in_between_begins_the_row_anew() -> None:
    state = fail(breaker.succeeded(fail(CLOSED, 4), NOW, NOW), 4)
    assert state.is_closed


def test_half_of_twenty_outcomes_within_half_a_minute_open_it() -> None:
    state = CLOSED
    for _ in range(9):
        state = fail(breaker.succeeded(state, NOW, NOW))
    assert state.is_closed
    assert not fail(breaker.succeeded(state, NOW, NOW)).is_closed


def test_outcomes_of_long_ago_do_not_count() -> None:
    state = CLOSED
    for at in range(40):
        state = breaker.succeeded(fail(state, at=NOW + at * 4), NOW + at * 4, NOW + at * 4)
    assert state.is_closed


def test_one_probe_at_a_time_passes_after_the_rest() -> None:
    state = opened()
    assert not breaker.may_pass(state, NOW + FIRST_REST - 0.1)
    assert breaker.may_pass(state, NOW + FIRST_REST)
    probed = breaker.probing(state, NOW + FIRST_REST)
    assert not breaker.may_pass(probed, NOW + FIRST_REST + 1)
    assert breaker.may_pass(breaker.probe_given_back(probed), NOW + FIRST_REST + 1)


def test_a_probes_failure_doubles_the_rest_to_its_bound() -> None:
    state, at, rests = opened(), NOW, []
    for _ in range(5):
        at += state.rest
        state = fail(breaker.probing(state, at), at=at)
        rests.append(state.rest)
    assert rests == [4.0, 8.0, MOST_REST, MOST_REST, MOST_REST]


def test_after_a_recovery_it_serves_again_within_half_a_minute() -> None:
    """The longest rest, and the longest that a probe of a worker that died holds the others off."""
    assert MOST_REST + breaker.PROBE_SECONDS <= 30.0


def test_the_first_success_of_a_probe_closes_it() -> None:
    state = breaker.succeeded(opened(), NOW + 3, NOW + 2)
    assert state.is_closed
    assert fail(state, 4, NOW + 4).is_closed


def test_attempts_that_began_before_the_turn_say_nothing_new() -> None:
    state = opened()
    assert breaker.failed(state, NOW + 1, NOW - 5) is state
    assert breaker.succeeded(state, NOW + 1, NOW - 5) is state
    closed = breaker.succeeded(state, NOW + 3, NOW + 2)
    assert breaker.failed(closed, NOW + 4, NOW - 5) is closed


def test_the_callers_and_the_keys_faults_are_not_counted() -> None:
    assert not breaker.COUNTED & {
        "rate_limited", "key_rejected", "invalid_request", "too_large", "context_length_exceeded", "content_filtered",
        "cancelled", "pool_full",
    }  # fmt: skip


def test_of_two_workers_knowledge_the_later_holds() -> None:
    old, new = opened(), opened(NOW + 1)
    assert breaker.latest(None, old) is old
    assert breaker.latest(old, new) is new
    assert breaker.latest(new, old) is new
