"""What is left of a conversation's beginning once it is longer than its window."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.ledger import StoredMessage


@dataclass(frozen=True, slots=True)
class Summary:
    """until: prompt_id of the last exchange that it tells of; it stands as long as that exchange does."""

    text: str
    until: str


@dataclass(frozen=True, slots=True)
class Outgrown:
    """A conversation as who writes its summary sees it.

    summary: None where there is none that stands. stored_until: what the row says, whether or not it stands, so that
    nobody writes over what another one wrote meanwhile. newest: its newest messages, oldest first, without their words.
    """

    summary: Summary | None
    stored_until: str | None
    newest: tuple[StoredMessage, ...]
