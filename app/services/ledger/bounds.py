"""The limits and budgets of callers and models, worked out once each."""

from __future__ import annotations

from app.domain.caller import Bound, Caller
from app.domain.catalogue import Model
from app.domain.policies.limits import bounds_of

MOST_REMEMBERED = 20_000

Bounds = tuple[Bound, ...]


class BoundsBook:
    """default_rpm: RATE_LIMIT_PER_MINUTE, None where RATE_LIMIT_ENABLED is false."""

    def __init__(self, default_rpm: int | None) -> None:
        self._default_rpm = default_rpm
        self._known: dict[tuple[int, int], tuple[Caller, Model, Bounds]] = {}

    def of(self, caller: Caller, model: Model) -> Bounds:
        """The same object for the same caller and model, so that whoever works with it can remember it as well."""
        name = (id(caller), id(model))
        known = self._known.get(name)
        if known is not None and known[0] is caller and known[1] is model:
            return known[2]
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        bounds = bounds_of(caller, model, default_rpm=self._default_rpm, installation=None)
        self._known[name] = (caller, model, bounds)
        return bounds
