"""A call that answers in one piece, while its reader is told that we are still here."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

import gevent

from app.domain.events import Silence
from app.utils.patience import Patience

T = TypeVar("T")


def aside(work: Callable[[], T], patience: Patience) -> Generator[Silence, None, T]:
    """Do the work in a greenlet of its own and tell a silence each heartbeat; what it returns or raises.

    Closing the generator stops the work where it waits, so that it lets go of its connection.
    """
    doing = gevent.spawn(_outcome, work)
    try:
        doing.join(patience.tick)
        while not doing.ready():
            yield Silence()
            doing.join(patience.tick)
    except BaseException:
        doing.kill()
        raise
    value, error = doing.get()
    if error is not None:
        raise error
    return value  # type: ignore[no-any-return]


def _outcome(work: Callable[[], T]) -> tuple[T | None, Exception | None]:
    # A greenlet that ends in an exception is printed by the hub; as a value it is only raised.
    try:
        return work(), None
    except Exception as error:  # noqa: BLE001 - raised again by who waits
        return None, error
