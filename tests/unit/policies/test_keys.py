"""When a provider's key is asked, and which of a pool."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.catalogue import Credential
from app.domain.policies import keys
from app.domain.policies.keys import FRESH, KeyState

NOW = 1_000.0
POOL = [Credential(f"p:{n}", "p", f"secret-{n}", "…") for n in range(3)]


def limited(state: KeyState = FRESH, at: float = NOW, told: float | None = None, jitter: float = 0.5) -> KeyState:
    return keys.limited(state, at, at, told, jitter)


@pytest.mark.parametrize(
    ("told", "seconds"), [(0.0, 1.0), (0.5, 1.0), (2.0, 2.0), (3.0, 3.0), (60.0, 60.0), (1e9, 3600.0)]
)
def test_fault_4_11_a_key_cools_as_long_as_it_was_told_from_1_s_to_1_h(told: float, seconds: float) -> None:
    assert keys.wait_for(limited(told=told), NOW) == seconds


@given(strikes=st.integers(0, 1000), jitter=st.floats(0, 1))
def test_fault_4_11_without_a_word_the_backoff_grows_with_jitter_within_its_bounds(strikes: int, jitter: float) -> None:
    seconds = keys.cooling_seconds(None, strikes, jitter)
    assert 1.0 <= seconds <= 3600.0
    assert seconds <= keys.cooling_seconds(None, strikes + 1, jitter)
    if strikes:
        assert keys.cooling_seconds(None, strikes, 0.0) < keys.cooling_seconds(None, strikes, 1.0)


def test_a_storm_of_the_same_limit_is_one_strike() -> None:
    first = limited()
    again = first
    for late in range(50):
        again = keys.limited(again, NOW + 0.01 * late, NOW - 0.1, None, 0.5)
    assert again is first
    assert limited(first, NOW + 5).strikes == 2


def test_a_longer_limit_told_meanwhile_holds() -> None:
    state = keys.limited(limited(told=2.0), NOW + 0.1, NOW - 0.1, 60.0, 0.5)
    assert keys.wait_for(state, NOW + 0.1) == pytest.approx(60.0)
    assert state.strikes == 1


def test_a_limit_never_shortens_one_that_holds() -> None:
    assert keys.wait_for(limited(limited(told=60.0), NOW + 1, told=2.0), NOW + 1) == 59.0


def test_a_rejected_key_is_out_for_an_hour_and_then_tried_by_one() -> None:
    state = keys.rejected(FRESH, NOW)
    assert keys.wait_for(state, NOW) == 3600.0
    assert keys.rejected(state, NOW + 10) is state
    assert keys.wait_for(state, NOW + 3600) == 0.0
    assert keys.must_be_tried(state)
    assert state.last_error == "key_rejected"


def test_one_request_finds_out_and_the_others_hold_back_for_a_second() -> None:
    state = keys.tried(limited(told=2.0), NOW + 2)
    assert keys.wait_for(state, NOW + 2) == 1.0
    assert keys.wait_for(keys.try_given_back(state), NOW + 2) == 0.0


def test_a_success_clears_what_was_held_against_a_key() -> None:
    state = keys.worked(keys.tried(limited(told=2.0), NOW + 2), NOW + 2.5, NOW + 2)
    assert (state.strikes, keys.wait_for(state, NOW + 2.5), keys.must_be_tried(state)) == (0, 0.0, False)


def test_a_success_that_began_before_the_refusal_says_nothing_of_now() -> None:
    cooling, out = limited(told=60.0), keys.rejected(FRESH, NOW)
    assert keys.worked(cooling, NOW + 5, NOW - 5) is cooling
    assert keys.worked(out, NOW + 5, NOW - 5) is out
    assert keys.worked(FRESH, NOW, NOW) is FRESH


def test_keys_that_were_not_limited_are_asked_in_turn() -> None:
    chosen = [keys.choose(POOL, {}, NOW, turn) for turn in range(6)]
    assert chosen == [*POOL, *POOL]


def test_the_least_recently_limited_key_is_asked_first() -> None:
    states = {"p:0": limited(at=NOW - 10, told=1.0), "p:1": limited(at=NOW - 20, told=1.0)}
    assert {keys.choose(POOL[:2], states, NOW, turn) for turn in range(4)} == {POOL[1]}
    assert {keys.choose(POOL, states, NOW, turn) for turn in range(4)} == {POOL[2]}


def test_a_limit_is_forgotten_after_a_minute_so_that_the_load_is_shared_again() -> None:
    states = {"p:0": limited(at=NOW - 61, told=1.0)}
    assert {keys.choose(POOL[:2], states, NOW, turn) for turn in range(4)} == {POOL[0], POOL[1]}


def test_the_preferred_key_is_asked_while_it_may_be() -> None:
    assert keys.choose(POOL, {}, NOW, 0, "p:2") is POOL[2]
    assert keys.choose(POOL, {"p:2": limited(told=5.0)}, NOW, 0, "p:2") is POOL[0]


def test_a_pool_that_cools_as_a_whole_tells_the_soonest() -> None:
    states = {"p:0": limited(told=9.0), "p:1": limited(told=4.0), "p:2": keys.rejected(FRESH, NOW)}
    assert keys.choose(POOL, states, NOW, 0) is None
    assert keys.soonest(POOL, states, NOW) == 4.0
    assert keys.soonest([], states, NOW) is None


def test_of_two_workers_knowledge_the_later_holds() -> None:
    old, new = limited(at=NOW), limited(at=NOW + 1)
    assert keys.latest(None, old) is old
    assert keys.latest(old, new) is new
    assert keys.latest(new, old) is new
