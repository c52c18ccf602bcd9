"""Money out of budgets: where Redis does not know what is left of one, it is built from the ledger first."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Protocol, TypeVar

from gevent.event import Event

from app.domain.errors import RateLimited, Unavailable
from app.domain.hot import Admission, Admitted, Grant, HotSettlement, Renewal, Unbuilt
from app.services.ledger.away import Away, Spent
from app.services.ledger.journal import Intent

log = logging.getLogger(__name__)

TRIES = 20

T = TypeVar("T")


class Till(Protocol):
    """Where budgets are kept hot. All raise Unavailable where it is away, `admit` and `renew` Unbuilt and refusals."""

    def admit(self, admission: Admission) -> Admitted: ...

    def renew(self, renewal: Renewal) -> Grant: ...

    def rebuild(self, unbuilt: Unbuilt, day: date, spent: int) -> bool: ...

    def settle(self, settlement: HotSettlement) -> None: ...


class Treasury:
    """away: who decides while the till does not answer."""

    def __init__(self, till: Till, spent: Spent, away: Away) -> None:
        self.away = away
        self._till = till
        self._spent = spent
        self._building: dict[tuple[str, str], Event] = {}

    def admit(self, admission: Admission) -> Admitted:
        """Let a chat in. Raises RateLimited, InvalidRequest, BudgetExceeded; Unavailable where Redis is away, or the
        database while a budget must be built."""
        try:
            return self._asked(admission.day, lambda: self._till.admit(admission))
        except RateLimited as refused:
            self.away.heard(refused, admission.bounds)
            raise

    def give_back(self, admission: Admission) -> None:
        """Nobody was let in: let go of what the till may hold of it, also where its word came too late or is still to
        come. A till that is away is told before it lets anybody else in."""
        # Its mark in the conversation lapses by itself; owed for each refusal, an outage would fill the memory.
        try:
            self._till.settle(replace(never_was(admission), conversation=None))
        except Unavailable as fault:
            log.debug("an admission is owed back: %s", fault.message, extra={"request_id": admission.prompt_id})

    def renew(self, renewal: Renewal) -> Grant:
        """More for a chat in flight; raises as `admit` does, but while Redis is away this worker decides."""
        try:
            return self._asked(renewal.day, lambda: self._till.renew(renewal))
        except Unavailable:
            return self.away.renew(renewal)

    def _asked(self, day: date, ask: Callable[[], T]) -> T:
        for _ in range(TRIES):
            try:
                return ask()
            except Unbuilt as unbuilt:
                self._build(unbuilt, day)
        raise Unavailable("a budget cannot be built while it is spent from elsewhere")

    def _build(self, unbuilt: Unbuilt, day: date) -> None:
        """Ask the ledger, once for all who wait for the same budget."""
        bound = unbuilt.bound
        name = (bound.scope, bound.id)
        building = self._building.get(name)
        if building is not None:
            building.wait()
            return
        done = self._building[name] = Event()
        try:
            if bound.budget is not None:
                spent = self._spent.of(bound.scope, bound.id, bound.budget, day, unbuilt.in_flight)
                self._till.rebuild(unbuilt, day, spent)
        finally:
            del self._building[name]
            done.set()


def never_was(asked: Admission | Intent) -> HotSettlement:
    """What ends in Redis a chat that it may have let in and that was never accepted."""
    return HotSettlement(
        prompt_id=asked.prompt_id,
        user_id=asked.user_id,
        key_id=asked.key_id,
        conversation=asked.conversation,
        bounds=asked.bounds,
        day=asked.day,
        void=True,
    )
