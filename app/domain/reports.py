"""What the sums of the ledger tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Group = Literal["model", "day", "key", "user"]


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Of all chats of one group: group is the model, the UTC day, the key's id (None: no key) or the user's name.

    name: of the key. charge: nano-USD. latency, ttft: histograms, see policies.histogram.
    """

    group: str | None
    name: str | None
    requests: int
    prompt_tokens: int
    completion_tokens: int
    charge: int
    latency: int
    ttft: int


@dataclass(frozen=True, slots=True)
class ModelTotals:
    """Of all chats that a model answered. latency_ms: milliseconds in all."""

    model: str
    requests: int
    cached: int
    fallback: int
    latency_ms: int
