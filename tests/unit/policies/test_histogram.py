from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from app.domain.policies.histogram import EDGES, EMPTY, counts, one, percentile

DURATIONS = st.lists(st.integers(0, 900_000), min_size=1, max_size=200)


def test_of_no_durations_there_is_no_percentile() -> None:
    assert percentile(EMPTY, 0.5) is None


def test_adding_histograms_adds_their_buckets() -> None:
    assert counts(one(0) + one(0) + one(2)) == (2, 0, 1)


@given(DURATIONS, st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_within_a_quarter_of_the_true_one(durations: list[int], share: float) -> None:
    told = percentile(sum(map(one, durations)), share)
    assert told is not None
    ordered = sorted(durations)
    true = ordered[math.ceil(len(ordered) * share) - 1]
    assert true * 0.8 - 1 <= told <= true * 1.25 + 1


@given(st.integers(0, 10**9))
def test_each_duration_falls_into_the_bucket_that_begins_at_or_before_it(duration: int) -> None:
    bucket = len(counts(one(duration))) - 1
    assert EDGES[bucket] <= duration
    assert bucket == len(EDGES) - 1 or duration < EDGES[bucket + 1]


def test_a_clock_that_went_back_makes_no_negative_bucket() -> None:
    assert one(-5) == one(0)
