"""What of a conversation goes into the next prompt."""

from __future__ import annotations

from collections.abc import Sequence

from app.domain.ledger import StoredMessage


def cut(messages: Sequence[StoredMessage], max_messages: int, max_tokens: int) -> tuple[StoredMessage, ...]:
    """The newest whole exchanges, oldest first, that fit both bounds. A question is never parted from its answer.

    messages: oldest first, ordered by prompt_id, the question before its answer.
    """
    kept = len(messages)
    count = tokens = 0
    for first, last in reversed(_exchanges(messages)):
        count += last - first
        tokens += sum(message.tokens for message in messages[first:last])
        if count > max_messages or tokens > max_tokens:
            break
        kept = first
    return tuple(messages[kept:])


def _exchanges(messages: Sequence[StoredMessage]) -> list[tuple[int, int]]:
    """(first, past the last) index of each run of one prompt_id."""
    spans: list[tuple[int, int]] = []
    start = 0
    for index in range(1, len(messages) + 1):
        if index == len(messages) or messages[index].prompt_id != messages[start].prompt_id:
            spans.append((start, index))
            start = index
    return spans
