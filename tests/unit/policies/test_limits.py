"""What binds a chat, and what of it binds what the house asks by itself."""

from __future__ import annotations

from app.domain.caller import Bound, Budget, Caller, Limits
from app.domain.catalogue import Model
from app.domain.policies.limits import bounds_of, for_errand

MODEL = Model("m", "p", "m", rpm=30, tpm=1_000)
CALLER = Caller("u", "ann", "user", limits=Limits(5, 500, 2), budget=Budget(7, "day"), key_limits=Limits(rpm=3))


def test_an_errand_counts_in_tokens_and_money_and_is_no_request_of_the_callers() -> None:
    bounds = bounds_of(CALLER, MODEL, default_rpm=60, installation=Budget(9, "total"))
    assert for_errand(bounds) == (
        Bound("user", "u", Limits(tpm=500), Budget(7, "day")),
        Bound("global", "", Limits(), Budget(9, "total")),
        Bound("model", "m", Limits(rpm=30, tpm=1_000)),
    )


def test_whom_nothing_binds_an_errand_is_not_bound_by_the_default() -> None:
    bounds = bounds_of(Caller("u", "ann", "user"), Model("m", "p", "m"), default_rpm=60, installation=None)
    assert bounds == (Bound("user", "u", Limits(rpm=60)),)
    assert for_errand(bounds) == ()
