"""Several waits at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from functools import partial
from typing import TypeVar, cast

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


def _outcome(work: Callable[[Item], T], item: Item) -> tuple[T | None, Exception | None]:
    # An exception that ends a greenlet is printed by the hub as well as raised; as a value it is only raised.
    try:
        return work(item), None
    except Exception as error:  # noqa: BLE001 - raised again where the value is waited for
        return None, error
