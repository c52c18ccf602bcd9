"""How quick a model is, as an average that forgets. Pure."""

from __future__ import annotations

from dataclasses import dataclass

WEIGHT = 0.2
TYPICAL_ANSWER = 200


@dataclass(frozen=True, slots=True)
class Speed:
    """ttft_ms: to the first content; tokens_a_second: from then on."""

    ttft_ms: float
    tokens_a_second: float

    @property
    def answer_ms(self) -> float:
        """How long an answer of a usual length takes."""
        return self.ttft_ms + TYPICAL_ANSWER / max(self.tokens_a_second, 1.0) * 1000


def observed(known: Speed | None, ttft_ms: float, tokens: int, seconds: float) -> Speed:
    """The average with one more answer in it."""
    rate = tokens / seconds if seconds > 0 else float(tokens) * 1000
    if known is None:
        return Speed(float(ttft_ms), rate)
    return Speed(
        known.ttft_ms + WEIGHT * (ttft_ms - known.ttft_ms),
        known.tokens_a_second + WEIGHT * (rate - known.tokens_a_second),
    )
