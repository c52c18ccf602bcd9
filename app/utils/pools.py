"""Native threads for what blocks in C, a bounded pool a purpose; and a limit in time for what waits in greenlets.

Both do their work where gevent is patched (the server). Elsewhere (scripts, migrations, unit tests) the work runs in
the caller's own thread and the limits are those of the drivers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

from gevent import Timeout, monkey
from gevent.threadpool import ThreadPool

T = TypeVar("T")


def cooperative() -> bool:
    """Whether a wait in this process lets other greenlets run."""
    return bool(monkey.is_module_patched("socket"))


@contextmanager
def within(seconds: float, late: Exception) -> Iterator[None]:
    """Give the block so many seconds, then raise `late` in the place where it waits.

    On its way out it travels as `gevent.Timeout`, which is no `Exception`: libraries that hold a connection throw
    it away then, and no `except Exception` on the way takes it for something else.
    """
    timer = Timeout(seconds)
    timer.start()
    try:
        yield
    except Timeout as over:
        if over is not timer:
            raise
        raise late from None
    finally:
        timer.close()


class ThreadLane:
    """At most `size` native threads of a process for one kind of work. One thread, the loop's, hands it work."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._pool: ThreadPool | None = None
        self._pid = 0

    def run(self, work: Callable[[], T]) -> T:
        """What `work` returns or raises, while the loop goes on.

        Under `within` a caller that waits for a free thread never begins; one whose work has begun leaves it to end
        by itself.
        """
        if not cooperative():
            return work()
        if self._pool is None or self._pid != os.getpid():
            # Threads do not come along through a fork, and a pool waits for those of its parent for ever.
            self._pool, self._pid = ThreadPool(self._size), os.getpid()
        value, error = self._pool.apply(_outcome, (work,))
        if error is not None:
            raise error
        return cast("T", value)

    def close(self) -> None:
        """End the threads once what they do is done."""
        pool, self._pool = self._pool, None
        if pool is not None and self._pid == os.getpid():
            pool.kill()


def _outcome(work: Callable[[], T]) -> tuple[T | None, BaseException | None]:
    # An exception that leaves a gevent pool is printed by the hub as well as raised; as a value it is only raised.
    try:
        return work(), None
    except BaseException as error:  # noqa: BLE001 - raised again in the caller's greenlet
        return None, error
