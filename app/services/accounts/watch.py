"""What keeps an idle worker informed of revocations: Redis asked twice a second, SQL about once."""

from __future__ import annotations

import logging
from collections.abc import Callable

import gevent

from app.domain.errors import Unavailable
from app.domain.hot import Epochs
from app.repositories.epochs import EpochRows
from app.services.accounts.callers import CallerRegistry, HotEpochs

log = logging.getLogger(__name__)

REDIS_EVERY = 0.5
SQL_EVERY = 0.8


class EpochWatch:
    """Two loops, so that a store that is slow to say that it is away does not delay the other one.

    SQL is asked also while Redis answers: a counter in Redis can be lost (a replica promoted, a flush, a worker that
    could not reach it), the one in SQL was committed with what it announces.

    listeners: told the counters each time Redis gave them; they may raise Unavailable.
    """

    def __init__(self, registry: CallerRegistry, hot: HotEpochs, rows: EpochRows) -> None:
        self._registry = registry
        self._hot = hot
        self._rows = rows
        self.listeners: list[Callable[[Epochs], None]] = []
        self._loops: list[gevent.Greenlet] = []

    def start(self) -> None:
        """Begin to watch, in the process that serves."""
        self._loops = [
            gevent.spawn(_forever, self.ask_redis, REDIS_EVERY),
            gevent.spawn(_forever, self.ask_sql, SQL_EVERY),
        ]

    def stop(self) -> None:
        gevent.killall(self._loops)

    def ask_redis(self) -> None:
        self._registry.pay_bump()
        epochs = self._hot.epochs()
        self._registry.saw_epoch(epochs.auth)
        for listener in self.listeners:
            listener(epochs)

    def ask_sql(self) -> None:
        self._registry.saw_epoch(self._rows.read("auth"), "sql")


def _forever(ask: Callable[[], None], every: float) -> None:
    while True:
        try:
            ask()
        except Unavailable:
            pass  # the other store may know; with both away the registry's trust runs out
        except Exception:
            log.exception("a look at the epochs failed")  # a bug, but not one that may end the watch
        gevent.sleep(every)
