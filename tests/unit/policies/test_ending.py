"""Which state a chat ends in, for every error of the tree."""

from __future__ import annotations

import pytest

from app.domain import errors
from app.domain.errors import DomainError
from app.domain.policies.ending import state_of

STATES = {
    errors.UpstreamFailed: "upstream_failed",
    errors.NoCapacity: "upstream_failed",
    errors.Overloaded: "upstream_failed",
    errors.UpstreamTimeout: "stalled",
    errors.BudgetExceeded: "budget_cut",
    errors.Unavailable: "crashed",
    errors.InternalError: "crashed",
}


def _tree(kind: type[DomainError]) -> list[type[DomainError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _tree(child))]


@pytest.mark.parametrize("kind", _tree(DomainError)[1:])
def test_every_error_has_its_state(kind: type[DomainError]) -> None:
    expected = STATES.get(kind, "refused")
    assert state_of(kind("why"), client_gone=False, shutdown=False) == expected
    assert (expected == "refused") == (kind.status < 500 and kind is not errors.BudgetExceeded)


@pytest.mark.parametrize("kind", _tree(DomainError)[1:])
def test_who_left_left_whatever_was_raised(kind: type[DomainError]) -> None:
    assert state_of(kind("why"), client_gone=True, shutdown=False) == "client_gone"
    assert state_of(kind("why"), client_gone=False, shutdown=True) == "crashed"
