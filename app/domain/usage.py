"""Tokens of a completion and where the numbers came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

UsageSource = Literal["provider", "counted"]


@dataclass(frozen=True, slots=True)
class Usage:
    """cached is part of prompt, reasoning is part of completion, as at OpenAI.

    pictures: how many were drawn; picture_tokens: what part of completion they are. seconds: of sound that was heard.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    source: UsageSource = "provider"
    pictures: int = 0
    picture_tokens: int = 0
    seconds: int = 0

    @property
    def total(self) -> int:
        return self.prompt + self.completion


def sum_of(parts: Sequence[Usage]) -> Usage:
    """Of several calls as one; the provider's numbers only where all of them are."""
    return Usage(
        sum(part.prompt for part in parts),
        sum(part.completion for part in parts),
        sum(part.cached for part in parts),
        sum(part.reasoning for part in parts),
        "provider" if all(part.source == "provider" for part in parts) else "counted",
        sum(part.pictures for part in parts),
        sum(part.picture_tokens for part in parts),
        sum(part.seconds for part in parts),
    )
