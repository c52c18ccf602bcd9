"""Durations counted in buckets, each a quarter wider than the one before, so that percentiles of any sum can be told.

A histogram is one whole number: how often bucket i was met stands in the twelve decimal digits from 12 x i on. Adding
two numbers adds two histograms, so a database merges them with `+` and `sum` and knows nothing of buckets.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

#: Decimal digits of one bucket's count.
DIGITS: Final = 12
_BASE: Final = 10**DIGITS
#: The longest a bucket begins at, in milliseconds: a quarter of an hour is a chat's own limit.
_LAST: Final = 1_000_000


def _edges() -> Iterator[int]:
    edge = 0
    while edge <= _LAST:
        yield edge
        edge = max(edge + 1, edge * 5 // 4)


#: Where each bucket begins, in whole milliseconds; the last one has no end.
EDGES: Final = tuple(_edges())
EMPTY: Final = 0


def one(milliseconds: int) -> int:
    """The histogram of one duration."""
    return int(_BASE ** (bisect_right(EDGES, max(milliseconds, 0)) - 1))


def counts(histogram: int) -> tuple[int, ...]:
    """How often each bucket was met, from the first to the last that was."""
    found = []
    while histogram:
        histogram, count = divmod(histogram, _BASE)
        found.append(count)
    return tuple(found)


def percentile(histogram: int, share: float) -> int | None:
    """Milliseconds that this share (0 to 1) of the durations stays within, to about a tenth; None of no durations."""
    found = counts(histogram)
    rank = share * sum(found)
    for bucket, count in enumerate(found):
        if count and rank <= count:
            low = EDGES[bucket]
            high = EDGES[bucket + 1] - 1 if bucket + 1 < len(EDGES) else low
            return low + round((high - low) * rank / count)
        rank -= count
    return None
