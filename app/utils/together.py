"""Several waits at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from typing import TypeVar, cast

import gevent
from gevent.pool import Pool

Item = TypeVar("Item")
T = TypeVar("T")


def together(work: Callable[[Item], T], items: Iterable[Item], at_once: int) -> Generator[T, None, None]:
    """What `work` returns for each item, in their order, so many greenlets at a time.

    The first fault is raised. Whatever still runs when this ends or is closed is killed where it waits.
    """
    pool = Pool(at_once)
    try:
        for value, error in pool.imap(partial(_outcome, work), items):
            if error is not None:
                raise error
            yield cast("T", value)
    finally:
        pool.kill()


def in_time(work: Callable[[Item], T], items: Sequence[Item], until: float) -> list[T | None]:
    """What `work` returns for each item, all at once; None where it is not done by then (monotonic seconds).

    The first fault is raised once all have ended. Whatever still runs then is killed where it waits.
    """
    pool = Pool()
    doing = [pool.spawn(_outcome, work, item) for item in items]
    try:
        gevent.joinall(doing, timeout=max(until - time.monotonic(), 0.0))
    finally:
        pool.kill()
    values: list[T | None] = []
    for done in doing:
        # One that was killed has GreenletExit for its value.
        value, error = done.value if isinstance(done.value, tuple) else (None, None)
        if error is not None:
            raise error
        values.append(value)
    return values


def _outcome(work: Callable[[Item], T], item: Item) -> tuple[T | None, Exception | None]:
    # An exception that ends a greenlet is printed by the hub as well as raised; as a value it is only raised.
    try:
        return work(item), None
    except Exception as error:  # noqa: BLE001 - raised again where the value is waited for
        return None, error
