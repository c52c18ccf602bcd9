"""What follows a failed attempt, and the error that a request ends in."""

from __future__ import annotations

from dataclasses import replace

import pytest

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
from app.domain.policies.retry import CALLERS, SECOND_TRY_LEAST, SECOND_TRY_MOST, Situation, after, final_error

KINDS = [
    "connect", "tls", "reset", "rate_limited", "key_rejected", "model_gone", "server_error", "bad_reply",
    "first_token_timeout", "stalled", "cut", "cancelled", "pool_full", "invalid_request", "too_large",
    "context_length_exceeded", "content_filtered",
]  # fmt: skip
FIRST = Situation(tries_on_model=1, tries_left=5)


def _fault(kind: str, **more: float) -> ProviderFault:
    return ProviderFault(kind, "why", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_follows_when_the_tries_are_spent(kind: str) -> None:
    assert after(_fault(kind), replace(FIRST, tries_left=0), 0.5).next == "stop"


@pytest.mark.parametrize("kind", [*CALLERS, "cancelled"])
def test_the_callers_own_faults_and_a_cancelled_chat_stop_at_once(kind: str) -> None:
    assert after(_fault(kind), FIRST, 0.5).next == "stop"
    assert after(_fault(kind), replace(FIRST, content_sent=True), 0.5).next == "stop"


@pytest.mark.parametrize("kind", ["server_error", "reset"])
@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_fault_4_10_a_server_error_is_asked_once_more_after_a_short_wait_then_the_next(
    kind: str, jitter: float
) -> None:
    step = after(_fault(kind), FIRST, jitter)
    assert step.next == "retry"
    assert SECOND_TRY_LEAST <= step.wait <= SECOND_TRY_MOST
    assert after(_fault(kind), replace(FIRST, tries_on_model=2), jitter).next == "next_model"


@pytest.mark.parametrize("kind", ["rate_limited", "key_rejected"])
def test_a_fault_of_the_key_takes_another_key(kind: str) -> None:
    assert after(_fault(kind), FIRST, 0.5).next == "next_key"


@pytest.mark.parametrize("kind", ["connect", "tls", "model_gone", "bad_reply", "first_token_timeout", "pool_full",
                                  "context_length_exceeded", "stalled", "cut"])  # fmt: skip
def test_other_faults_before_content_go_to_the_next_model(kind: str) -> None:
    step = after(_fault(kind), FIRST, 0.5)
    assert (step.next, step.wait) == ("next_model", 0.0)


@pytest.mark.parametrize("kind", ["server_error", "reset", "stalled", "cut", "bad_reply"])
def test_fault_4_23_after_content_another_model_takes_it_up(kind: str) -> None:
    sent = replace(FIRST, content_sent=True)
    assert after(_fault(kind), sent, 0.5).next == "rescue"
    assert after(_fault(kind), replace(sent, call_begun=True), 0.5).next == "stop"
    assert after(_fault(kind), replace(sent, choices=2), 0.5).next == "stop"


def test_fault_4_23_a_rescuer_that_rejects_the_prefix_is_asked_afresh() -> None:
    step = after(_fault("invalid_request"), replace(FIRST, content_sent=True, continuing=True), 0.5)
    assert (step.next, step.afresh) == ("retry", True)


@pytest.mark.parametrize(
    ("kinds", "error"),
    [
        (["server_error", "invalid_request"], InvalidRequest),
        (["server_error", "too_large"], TooLarge),
        (["rate_limited", "content_filtered"], ContentFiltered),
        (["context_length_exceeded"], ContextLengthExceeded),
        (["context_length_exceeded", "context_length_exceeded"], ContextLengthExceeded),
        (["server_error", "context_length_exceeded"], UpstreamFailed),
        (["rate_limited", "pool_full"], NoCapacity),
        (["rate_limited", "server_error"], UpstreamFailed),
        (["server_error", "first_token_timeout"], UpstreamTimeout),
        (["rate_limited", "stalled"], UpstreamTimeout),
        (["stalled", "connect"], UpstreamFailed),
        (["key_rejected"], UpstreamFailed),
        (["model_gone"], UpstreamFailed),
        (["invalid_request", "server_error"], UpstreamFailed),
    ],
)
def test_candidates_that_failed_differently_end_in_the_contracts_order(
    kinds: list[str], error: type[DomainError]
) -> None:
    assert type(final_error([_fault(kind) for kind in kinds])) is error


@pytest.mark.parametrize("kind", KINDS)
def test_fault_4_09_a_providers_401_402_403_is_never_the_callers(kind: str) -> None:
    assert final_error([_fault(kind)]).status not in (401, 402, 403, 404, 500)


@pytest.mark.parametrize(
    ("told", "soonest", "expected"),
    [([3.0, 2.5], None, 2.5), ([0.5], None, 1.0), ([1e9], None, 3600.0), ([None, 7.0], 2.0, 2.0), ([None], None, 1.0)],
)
def test_no_capacity_tells_the_soonest_moment(told: list[float | None], soonest: float | None, expected: float) -> None:
    error = final_error([_fault("rate_limited", retry_after=seconds) for seconds in told], soonest=soonest)  # type: ignore[arg-type]
    assert isinstance(error, NoCapacity)
    assert error.retry_after == expected
