"""What binds a chat. Pure."""

from __future__ import annotations

from dataclasses import replace

from app.domain.caller import Bound, Budget, Caller, Limits
from app.domain.catalogue import Model

UNLIMITED = Limits()


def bounds_of(
    caller: Caller, model: Model, *, default_rpm: int | None, installation: Budget | None
) -> tuple[Bound, ...]:
    """The caller's key, the user, the installation and the model, as far as each limits anything.

    default_rpm: of a user without a limit of their own; None: nobody is limited, whatever their rows say (budgets
    hold all the same). The narrowest comes first: it is the one that is named where several are reached.
    """
    limited = default_rpm is not None
    user = replace(caller.limits, rpm=caller.limits.rpm if caller.limits.rpm is not None else default_rpm)
    all_of_them = (
        Bound("key", caller.key_id or "", caller.key_limits if limited else UNLIMITED, caller.key_budget),
        Bound("user", caller.user_id, user if limited else UNLIMITED, caller.budget),
        Bound("global", "", UNLIMITED, installation),
        Bound("model", model.id, Limits(model.rpm, model.tpm) if limited else UNLIMITED),
    )
    return tuple(bound for bound in all_of_them if bound.limits != UNLIMITED or bound.budget is not None)


def for_errand(bounds: tuple[Bound, ...]) -> tuple[Bound, ...]:
    """The same for what the house asks by itself: its tokens and its money count, but it is no request of the
    caller's."""
    counted = (
        replace(bound, limits=replace(bound.limits, rpm=None, concurrency=None)) if bound.scope != "model" else bound
        for bound in bounds
    )
    return tuple(bound for bound in counted if bound.limits != UNLIMITED or bound.budget is not None)
