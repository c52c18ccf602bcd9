"""Work that takes long, in a greenlet of its own, while who waits for it gets to say that it still lives."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar, cast

import gevent
from gevent.event import Event

from app.utils.cancel import Cancel

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


def pause(seconds: float, cancel: Cancel) -> bool:
    """Let so much time pass; False, at once, where it is stopped."""
    if seconds > 0 and cancel.reason is None:
        stopped = Event()
        cancel.add(stopped.set)
        try:
            stopped.wait(seconds)
        finally:
            cancel.remove(stopped.set)
    return cancel.reason is None


def _outcome(work: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    # An exception that ends a greenlet is printed by the hub as well as raised; as a value it is only raised.
    try:
        return work(), None
    except Exception as error:  # noqa: BLE001 - raised again where the work is waited for
        return None, error
