"""The limits and budgets of callers and models, worked out once each."""

from __future__ import annotations

from collections.abc import Callable

from app.domain.caller import Bound, Budget, Caller
from app.domain.catalogue import Model
from app.domain.errors import Unavailable
from app.domain.policies.limits import bounds_of

MOST_REMEMBERED = 20_000

Bounds = tuple[Bound, ...]


class BoundsBook:
    """default_rpm: RATE_LIMIT_PER_MINUTE, None where RATE_LIMIT_ENABLED is false. installation: reads the budget of
    the whole installation; may raise Unavailable, and then what was read before holds."""

    def __init__(self, default_rpm: int | None, installation: Callable[[], Budget | None]) -> None:
        self._default_rpm = default_rpm
        self._read = installation
        self._installation: Budget | None = None
        self._epoch = -1
        self._known: dict[tuple[int, int], tuple[Caller, Model, Bounds]] = {}

    def of(self, caller: Caller, model: Model) -> Bounds:
        """The same object for the same caller and model, so that whoever works with it can remember it as well."""
        if self._epoch < 0:
            self.saw_epoch(0)
        name = (id(caller), id(model))
        known = self._known.get(name)
        if known is not None and known[0] is caller and known[1] is model:
            return known[2]
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        bounds = bounds_of(caller, model, default_rpm=self._default_rpm, installation=self._installation)
        self._known[name] = (caller, model, bounds)
        return bounds

    def saw_epoch(self, epoch: int) -> None:
        """Take notice of the counter of what callers may: a new number means that the installation's budget may be
        another one."""
        if epoch == self._epoch:
            return
        try:
            budget = self._read()
        except Unavailable:
            return
        self._epoch = epoch
        if budget != self._installation:
            self._installation = budget
            self._known.clear()
