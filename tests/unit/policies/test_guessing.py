from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.domain.policies.guessing import FIRST_WAIT_MS, WINDOW_MS, wait_ms


def test_four_misses_cost_no_wait_and_five_do() -> None:
    assert wait_ms([0, 1, 2, 3], 4, 5) == 0
    assert wait_ms([0, 1, 2, 3, 4], 4, 5) == FIRST_WAIT_MS


def test_each_further_miss_doubles_the_wait() -> None:
    waits = [wait_ms([0] * count, 0, 5) for count in (5, 6, 7, 8)]
    assert waits == [FIRST_WAIT_MS * factor for factor in (1, 2, 4, 8)]


def test_misses_of_a_quarter_of_an_hour_ago_are_forgotten() -> None:
    assert wait_ms([0] * 50, WINDOW_MS, 5) == 0


@given(st.lists(st.integers(0, 2 * WINDOW_MS)), st.integers(0, 3 * WINDOW_MS), st.integers(1, 60))
def test_nobody_is_locked_for_longer_than_the_window(misses: list[int], now: int, limit: int) -> None:
    misses = sorted(at for at in misses if at <= now)
    assert 0 <= wait_ms(misses, now, limit) <= WINDOW_MS
