"""Waits that a cancel breaks off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gevent import get_hub, getcurrent

from app.domain.errors import ProviderFault
from app.utils.cancel import Cancel


class _Stopped(BaseException):
    """Thrown into a greenlet that waits within `stoppable`; never leaves this file."""


@contextmanager
def stoppable(cancel: Cancel) -> Iterator[None]:
    """Whatever waits inside is broken off by the cancel. Raises ProviderFault(cancelled); nothing was sent."""
    greenlet = getcurrent()
    throw: Any = None

    def stop() -> None:
        nonlocal throw
        throw = get_hub().loop.run_callback(greenlet.throw, _Stopped)

    cancel.add(stop)
    try:
        yield
    except _Stopped:
        raise ProviderFault("cancelled", cancel.reason or "", sent=False) from None
    finally:
        cancel.remove(stop)
        if throw is not None:
            throw.stop()
