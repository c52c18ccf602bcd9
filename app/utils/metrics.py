"""Prometheus metrics of a process, and their sum over all workers.

Where the environment names PROMETHEUS_MULTIPROC_DIR when this is first imported, each process writes its numbers into
files there, and a scrape of any of them reads all; without it a process has its own numbers alone.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Mapping, Sequence
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
LATENCY: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0)
TTFT: Final = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 4.0, 8.0, 15.0, 60.0)


class Metrics:
    """One a process. Made after the fork: its files bear the process's id."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self.accepted = Counter("requests_accepted", "Chats that were admitted", registry=registry)
        self.settled = Counter("requests_settled", "Chats whose end their own worker wrote", registry=registry)
        self.recovered = Counter("requests_recovered", "Chats of dead workers that were settled", registry=registry)
        self.chats = Counter("chats", "Chats that ended", ("model", "provider", "state"), registry=registry)
        self.cache_looks = Counter(
            "cache_looks",
            "Chats held against the cache; result is hit or miss",
            ("result",),
            registry=registry,
        )
        self.lines_lost = Counter("log_lines_lost", "Log lines that could not be written", ("log",), registry=registry)
        self.dropped = Counter(
            "work_dropped", "Work after replies that was dropped, since too much waited", registry=registry
        )
        self.attempts = Counter(
            "attempts", "Calls of providers; error is none", ("provider", "error"), registry=registry
        )
        self.tokens = Counter("tokens", "Tokens of chats that ended", ("provider", "kind"), registry=registry)
        self.latency = Histogram(
            "chat_latency_seconds", "From request to end", ("provider",), buckets=LATENCY, registry=registry
        )
        self.ttft = Histogram(
            "chat_ttft_seconds", "From request to first content", ("provider",), buckets=TTFT, registry=registry
        )

    def render(self, gauges: Mapping[str, tuple[str, float]]) -> bytes:
        """All of it as text. gauges: by name what each says and its value now. It reads files: call it in a thread."""
        registry = self._registry
        if folder := os.environ.get(FOLDER):
            registry = CollectorRegistry()
            MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        return generate_latest(registry) + _now(gauges)


def observe_all(child: Any, values: Sequence[float]) -> None:
    """What `child.observe` does for each value, in as many steps as there are buckets that any of them falls into."""
    counts = Counts(bisect_left(child._upper_bounds, value) for value in values)
    for bucket, n in counts.items():
        child._buckets[bucket].inc(n)
    child._sum.inc(sum(values))


def _now(gauges: Mapping[str, tuple[str, float]]) -> bytes:
    lines = [f"# HELP {name} {said}\n# TYPE {name} gauge\n{name} {value}\n" for name, (said, value) in gauges.items()]
    return "".join(lines).encode()
