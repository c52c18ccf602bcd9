"""Which terminal state a chat ends in. Pure."""

from __future__ import annotations

from app.domain.errors import BudgetExceeded, DomainError, InternalError, Unavailable, UpstreamTimeout
from app.domain.ledger import State

CLIENT_GONE = "client gone"
SHUTDOWN = "shutdown"


def state_of(error: DomainError, cancelled: str | None) -> State:
    """The state of a chat that ended in this error; cancelled: why it was stopped by us, None where it was not."""
    if cancelled == CLIENT_GONE:
        return "client_gone"
    if cancelled == SHUTDOWN or isinstance(error, InternalError | Unavailable):
        return "crashed"
    if isinstance(error, BudgetExceeded):
        return "budget_cut"
    if isinstance(error, UpstreamTimeout):
        return "stalled"
    return "refused" if error.status < 500 else "upstream_failed"
