"""What follows when an attempt at a provider has failed, and which error a request ends in. Pure."""

from __future__ import annotations

from collections.abc import Sequence
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

Next = Literal["retry", "next_key", "next_model", "rescue", "stop"]

MOST_TRIES_ON_MODEL = 4
SECOND_TRY_LEAST = 0.05
SECOND_TRY_MOST = 0.25

#: Faults that are the caller's: asked again they would fail again, here or elsewhere.
CALLERS: dict[str, type[DomainError]] = {
    "invalid_request": InvalidRequest,
    "too_large": TooLarge,
    "content_filtered": ContentFiltered,
}
#: Asked once more of the same model: the next moment may be better.
WORTH_A_SECOND_TRY = frozenset({"server_error", "reset"})
#: The fault is the key's: another one of the same model may be taken.
OF_THE_KEY = frozenset({"rate_limited", "key_rejected"})
BY_TIME = frozenset({"first_token_timeout", "stalled"})
BY_CAPACITY = frozenset({"rate_limited", "pool_full"})


@dataclass(frozen=True, slots=True)
class Situation:
    """tries_on_model: attempts at this model so far, this one included. tries_left: of the retry budget.

    content_sent: the caller has seen some of the answer; call_begun: and a tool call was in it; choices: how many
    answers were asked for; rescuing: the attempt was to take up another's answer; continuing: by going on from a
    prefix. patience: RETRY_AFTER_WAIT, the longest wait for a model, in seconds.
    """

    tries_on_model: int
    tries_left: int
    content_sent: bool = False
    call_begun: bool = False
    choices: int = 1
    rescuing: bool = False
    continuing: bool = False
    patience: float = 0.0


@dataclass(frozen=True, slots=True)
class Step:
    """next: what to do; wait: seconds to let pass before it; afresh: do not ask for a continuation again."""

    next: Next
    wait: float = 0.0
    afresh: bool = False


def after(fault: ProviderFault, now: Situation, jitter: float) -> Step:
    """The step after a failed attempt. jitter: 0 to 1, from the caller's random source."""
    if fault.kind == "cancelled" or now.tries_left <= 0:
        return Step("stop")
    if now.continuing and fault.kind == "invalid_request":
        return Step("retry", afresh=True)
    if fault.kind in CALLERS and not (now.rescuing and fault.kind == "invalid_request"):
        # Another model has taken this request: what a rescuer does not like of it is no fault of the caller's.
        return Step("stop")
    if now.content_sent and (now.call_begun or now.choices > 1):
        return Step("stop")
    if fault.kind in OF_THE_KEY:
        return Step("next_key")
    if now.content_sent:
        return Step("rescue")
    if fault.kind in WORTH_A_SECOND_TRY and now.tries_on_model < 2:
        wait = max(SECOND_TRY_LEAST + (SECOND_TRY_MOST - SECOND_TRY_LEAST) * jitter, fault.retry_after or 0.0)
        if wait <= max(now.patience, SECOND_TRY_MOST):
            return Step("retry", wait=wait)
    return Step("next_model")


def final_error(
    faults: Sequence[ProviderFault],
    passed: Sequence[str] = (),
    soonest: float | None = None,
    *,
    broken: bool = False,
) -> DomainError:
    """The error of a request whose attempts all failed, oldest first. The order of precedence is the contract's.

    passed: why candidates were not asked at all, as the kinds of faults. soonest: seconds until something that was
    passed over because it cools may be asked. broken: the caller has a part of the answer, so that the request was
    one that a model takes.
    """
    last = faults[-1] if faults else None
    if last is not None:
        callers = CALLERS.get(last.kind)
        if callers is not None and not (broken and last.kind == "invalid_request"):
            return callers(last.message)
    kinds = {*(fault.kind for fault in faults), *passed}
    if kinds == {"context_length_exceeded"}:
        return ContextLengthExceeded("the prompt is longer than any candidate's context window", field="messages")
    if kinds <= BY_CAPACITY:
        told = [fault.retry_after for fault in faults if fault.retry_after is not None]
        return _no_capacity(soonest if soonest is not None else min(told, default=None))
    if last is not None and last.kind in BY_TIME:
        return UpstreamTimeout("the provider did not answer in time")
    return UpstreamFailed(f"no provider could answer (last: {last.kind if last else 'none could be asked'})")


def _no_capacity(soonest: float | None) -> NoCapacity:
    wait = min(max(soonest or 0.0, 1.0), 3_600.0)
    return NoCapacity("every provider that could answer is at its limit", retry_after=wait)
