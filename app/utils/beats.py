"""Work that takes long, in a greenlet of its own, while who waits for it gets to say that it still lives."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar, cast

import gevent

T = TypeVar("T")


def beats(work: Callable[[], T], every: float) -> Generator[None, None, T]:
    """Yields each `every` seconds until the work is done; what it returns or raises is this generator's.

    Closed early it kills the work, which then ends by `GreenletExit` where it waits.
    """
    greenlet = gevent.spawn(_outcome, work)
    try:
        while not greenlet.ready():
            greenlet.join(every)
            if not greenlet.ready():
                yield
    finally:
        greenlet.kill()
    value, error = greenlet.get()
    if error is not None:
        raise error
    return cast("T", value)


def _outcome(work: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    # An exception that ends a greenlet is printed by the hub as well as raised; as a value it is only raised.
    try:
        return work(), None
    except Exception as error:  # noqa: BLE001 - raised again where the work is waited for
        return None, error
