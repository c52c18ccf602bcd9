"""Money out of budgets: where Redis does not know what is left of one, it is built from the ledger first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Protocol, TypeVar

from gevent.event import Event

from app.domain.errors import RateLimited, Unavailable
from app.domain.hot import Admission, Admitted, Grant, Renewal, Unbuilt
from app.services.ledger.away import Away, Spent

TRIES = 20

T = TypeVar("T")


class Till(Protocol):
    """Where budgets are kept hot. All raise Unavailable where it is away, `admit` and `renew` Unbuilt and refusals."""

    def admit(self, admission: Admission) -> Admitted: ...

    def renew(self, renewal: Renewal) -> Grant: ...

    def rebuild(self, unbuilt: Unbuilt, day: date, spent: int) -> bool: ...


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
