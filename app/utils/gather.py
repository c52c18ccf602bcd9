"""Many callers, one worker that takes all who wait at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from gevent import Greenlet
from gevent.event import Event

T = TypeVar("T")


class _Batch(Generic[T]):
    __slots__ = ("done", "errors", "items")

    def __init__(self) -> None:
        self.items: list[T] = []
        self.errors: Mapping[int, Exception] = {}
        self.done = Event()


class Gatherer(Generic[T]):
    """Hands what waits to `work` as one batch, at once when idle, and wakes each caller.

    work: does the batch and returns the errors by index; what it raises is every caller's. It runs in a greenlet of
        its own, so that a caller who is killed takes nobody along.
    limit: the most items of a batch; the rest wait for the next one.
    """

    def __init__(self, work: Callable[[Sequence[T]], Mapping[int, Exception]], limit: int) -> None:
        self._work = work
        self._limit = limit
        self._waiting: list[_Batch[T]] = []
        self._busy: _Batch[T] | None = None
        self._wake = Event()
        self._greenlet: Greenlet | None = None
        self._pid = 0

    def submit(self, item: T) -> None:
        """Return once the batch with this item is done; raise the item's own error."""
        batch = self._open_batch()
        index = len(batch.items)
        batch.items.append(item)
        if index == 0:
            self._rouse()
        batch.done.wait()
        error = batch.errors.get(index)
        if error is not None:
            raise error

    def drain(self, timeout: float) -> bool:
        """Wait until nothing waits and nothing is being done; False where that took longer than `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while self._busy is not None or self._waiting:
            left = deadline - time.monotonic()
            if left <= 0 or not (self._busy or self._waiting[0]).done.wait(left):
                return False
        return True

    def _open_batch(self) -> _Batch[T]:
        if not self._waiting or len(self._waiting[-1].items) >= self._limit:
            self._waiting.append(_Batch())
        return self._waiting[-1]

    def _rouse(self) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._greenlet = Greenlet.spawn(self._serve)
        self._wake.set()

    def _serve(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._waiting:
                self._do(self._waiting.pop(0))

    def _do(self, batch: _Batch[T]) -> None:
        self._busy = batch
        try:
            batch.errors = self._work(batch.items)
        except Exception as error:  # noqa: BLE001 - raised in every caller
            batch.errors = dict.fromkeys(range(len(batch.items)), error)
        finally:
            self._busy = None
            batch.done.set()
