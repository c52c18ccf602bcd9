"""What is held for a chat before it has said anything. Pure."""

from __future__ import annotations

UNKNOWN_ANSWER = 512
LONGEST_FIRST_LEASE = 1_024


def answer_tokens(max_tokens: int | None, choices: int) -> int:
    """Tokens of output that the first lease covers: what the caller allows, or what an answer has as a rule.

    max_tokens: the caller's cap of one answer; choices: how many answers are asked for.
    """
    return min((UNKNOWN_ANSWER if max_tokens is None else max_tokens) * choices, LONGEST_FIRST_LEASE)
