"""Which terminal state a chat ends in. Pure."""

from __future__ import annotations

from app.domain.errors import BudgetExceeded, DomainError, InternalError, Unavailable, UpstreamTimeout
from app.domain.ledger import State


def state_of(error: DomainError, *, client_gone: bool, shutdown: bool) -> State:
    """The state of a chat that ended in this error; client_gone, shutdown: it was stopped by us for that reason."""
    if client_gone:
        return "client_gone"
    if shutdown or isinstance(error, InternalError | Unavailable):
        return "crashed"
    if isinstance(error, BudgetExceeded):
        return "budget_cut"
    if isinstance(error, UpstreamTimeout):
        return "stalled"
    return "refused" if error.status < 500 else "upstream_failed"
