"""Tokens of a completion and where the numbers came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

UsageSource = Literal["provider", "counted"]


@dataclass(frozen=True, slots=True)
class Usage:
    """cached is part of prompt, reasoning is part of completion, as at OpenAI."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0
    source: UsageSource = "provider"

    @property
    def total(self) -> int:
        return self.prompt + self.completion
