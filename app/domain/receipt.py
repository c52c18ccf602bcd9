"""What one request came to, for whoever made it."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.events import Attempt
from app.domain.ledger import LedgerRow


@dataclass(frozen=True, slots=True)
class Receipt:
    """A settled request and its attempts in the order in which they were made."""

    row: LedgerRow
    attempts: tuple[Attempt, ...]
