"""What follows when an attempt at a provider has failed, and which error a request ends in. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.domain.errors import (
    ContentFiltered,
    ContextLengthExceeded,
    DomainError,
    InvalidRequest,
    NoCapacity,
    ProviderFault,
    TooLarge,
    UpstreamFailed,
    UpstreamTimeout,
)

Next = Literal["retry", "next_model", "stop"]

#: Faults that are the caller's: asked again they would fail again, here or elsewhere.
CALLERS: dict[str, type[DomainError]] = {
    "invalid_request": InvalidRequest,
    "too_large": TooLarge,
    "content_filtered": ContentFiltered,
}
#: Asked once more of the same model: the next moment may be better.
WORTH_A_SECOND_TRY = frozenset({"server_error", "reset"})
BY_TIME = frozenset({"first_token_timeout", "stalled"})
BY_CAPACITY = frozenset({"rate_limited", "pool_full"})


@dataclass(frozen=True, slots=True)
class Step:
    """next: what to do; wait: seconds to let pass before it."""

    next: Next
    wait: float = 0.0


def after(fault: ProviderFault, *, tries_on_model: int, tries_left: int, content_sent: bool, jitter: float) -> Step:
    """The step after a failed attempt.

    tries_on_model: attempts at this model so far, this one included. tries_left: of the retry budget.
    content_sent: whether the caller has seen any of the answer. jitter: 0 to 1, from the caller's random source.
    """
    if content_sent or fault.kind in CALLERS or fault.kind == "cancelled" or tries_left <= 0:
        return Step("stop")
    if fault.kind in WORTH_A_SECOND_TRY and tries_on_model < 2:
        return Step("retry", wait=0.05 + 0.2 * jitter)
    return Step("next_model")


def final_error(faults: list[ProviderFault]) -> DomainError:
    """The error of a request whose attempts all failed, oldest first. The order of precedence is the contract's."""
    last = faults[-1]
    callers = CALLERS.get(last.kind)
    if callers is not None:
        return callers(last.message)
    if all(fault.kind == "context_length_exceeded" for fault in faults):
        return ContextLengthExceeded("the prompt is longer than any candidate's context window")
    if all(fault.kind in BY_CAPACITY for fault in faults):
        soonest = min((fault.retry_after for fault in faults if fault.retry_after is not None), default=1.0)
        return NoCapacity("every provider that could answer is at its limit", retry_after=soonest)
    if last.kind in BY_TIME:
        return UpstreamTimeout("the provider did not answer in time")
    return UpstreamFailed(f"no provider could answer (last: {last.kind})")
