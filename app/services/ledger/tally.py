"""Counts chats for `/metrics`: on a chat's way only what must be exact, the rest a moment later."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any, Final

import gevent

from app.domain.ledger import SettledChat
from app.utils.metrics import Metrics, observe_all
from app.utils.pools import ThreadLane

log = logging.getLogger(__name__)

#: Seconds between two notes of what was settled; a worker that is killed takes so much of the histograms along.
EVERY: Final = 0.5
#: Combinations of labels of one metric. Names come from the catalogue alone, and a catalogue may be long.
MOST: Final = 1_000
OTHER: Final = "other"
NONE: Final = "none"


class Tally:
    """One a process; it counts what happens in it."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._accepted: Callable[[], None] = metrics.accepted.inc
        self._settled: Callable[[], None] = metrics.settled.inc
        self._hits: Callable[[], None] = metrics.cache_looks.labels("hit").inc
        self._misses: Callable[[], None] = metrics.cache_looks.labels("miss").inc
        self._losses: list[tuple[Callable[[float], None], Callable[[], int], int]] = []
        self._ended: list[SettledChat] = []
        self._chats = _Children(metrics.chats)
        self._attempts = _Children(metrics.attempts)
        self._tokens = _Children(metrics.tokens)
        self._latency = _Children(metrics.latency)
        self._ttft = _Children(metrics.ttft)
        self._lane = ThreadLane(1)
        self._loop: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin to note, in the process that serves."""
        self._loop = gevent.spawn(self._forever)

    def stop(self) -> None:
        if self._loop is not None:
            self._loop.kill()
        self.note()
        self._lane.close()

    def accepted(self) -> None:
        """A chat was admitted."""
        self._accepted()

    def settled(self, chat: SettledChat) -> None:
        """Its terminal row is durable."""
        self._settled()
        self._ended.append(chat)

    def recovered(self, chats: int) -> None:
        """So many of a dead process were settled by this one."""
        self._metrics.recovered.inc(chats)

    def looked(self, hit: bool) -> None:
        """A request was held against the cache."""
        (self._hits if hit else self._misses)()

    def watches(self, name: str, lost: Callable[[], int]) -> None:
        """Tell of the lines that this log has lost. lost: so many until now, in this process."""
        self._losses.append((self._metrics.lines_lost.labels(name).inc, lost, 0))

    def dropped(self) -> None:
        """Work after a reply was dropped."""
        self._metrics.dropped.inc()

    def note(self) -> None:
        """Count what has ended since the last time: all of one kind at once, since each step costs a microsecond."""
        for place, (count, lost, before) in enumerate(self._losses):
            if (now := lost()) > before:
                count(now - before)
                self._losses[place] = (count, lost, now)
        ended, self._ended = self._ended, []
        sums = _Sums()
        for chat in ended:
            sums.add(chat)
        for children, counted in (
            (self._chats, sums.chats),
            (self._attempts, sums.attempts),
            (self._tokens, sums.tokens),
        ):
            for labels, n in counted.items():
                children.of(*labels).inc(n)
        for children, seen in ((self._latency, sums.latency), (self._ttft, sums.ttft)):
            for provider, values in seen.items():
                observe_all(children.of(provider), values)

    def render(self, gauges: dict[str, tuple[str, float]]) -> bytes:
        """The text of a scrape; see `Metrics.render`. The files of all workers are read in a thread."""
        self.note()
        return self._lane.run(lambda: self._metrics.render(gauges))

    def _forever(self) -> None:
        while True:
            gevent.sleep(EVERY)
            try:
                self.note()
            except Exception:
                log.exception("chats could not be counted")  # a bug, but not one that may end the loop


class _Sums:
    """Of several chats, by labels; times in seconds."""

    def __init__(self) -> None:
        self.chats: Counter[tuple[str, ...]] = Counter()
        self.attempts: Counter[tuple[str, ...]] = Counter()
        self.tokens: Counter[tuple[str, ...]] = Counter()
        self.latency: defaultdict[str, list[float]] = defaultdict(list)
        self.ttft: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, chat: SettledChat) -> None:
        row, usage = chat.row, chat.row.usage
        provider = row.provider
        self.chats[row.model, provider, row.state] += 1
        if row.cached:
            return  # no provider was asked
        self.tokens[provider, "prompt"] += usage.prompt
        self.tokens[provider, "completion"] += usage.completion
        if usage.cached:
            self.tokens[provider, "cached"] += usage.cached
        if usage.reasoning:
            self.tokens[provider, "reasoning"] += usage.reasoning
        self.latency[provider].append(row.latency_ms / 1000)
        if row.ttft_ms is not None:
            self.ttft[provider].append(row.ttft_ms / 1000)
        for attempt in chat.attempts:
            self.attempts[attempt.provider, attempt.error or NONE] += 1


class _Children:
    """A metric's children by their labels, kept: finding one anew costs as much as counting. Past MOST of them all
    new labels are `other`."""

    def __init__(self, metric: Any) -> None:
        self._metric = metric
        self._kept: dict[tuple[str, ...], Any] = {}

    def of(self, *labels: str) -> Any:
        child = self._kept.get(labels)
        if child is None:
            names = labels if len(self._kept) < MOST else (OTHER,) * len(labels)
            child = self._metric.labels(*names)
            if names is labels:
                self._kept[labels] = child
        return child
