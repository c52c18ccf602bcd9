"""How quick a model is, as an average that forgets. Pure."""

from __future__ import annotations

from dataclasses import dataclass

WEIGHT = 0.2
TYPICAL_ANSWER = 200
#: What was not seen for so long is not known any more: a model that was slow once is asked again.
FORGOTTEN_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Speed:
    """ttft_ms: to the first content; tokens_a_second: from then on; at: when it was seen last, monotonic seconds."""

    ttft_ms: float
    tokens_a_second: float
    at: float = 0.0

    @property
    def answer_ms(self) -> float:
        """How long an answer of a usual length takes."""
        return self.ttft_ms + TYPICAL_ANSWER / max(self.tokens_a_second, 1.0) * 1000


def observed(known: Speed | None, ttft_ms: float, tokens: int, seconds: float, now: float = 0.0) -> Speed:
    """The average with one more answer in it."""
    rate = tokens / seconds if seconds > 0 else float(tokens) * 1000
    if known is None or now - known.at > FORGOTTEN_SECONDS:
        return Speed(float(ttft_ms), rate, now)
    return Speed(
        known.ttft_ms + WEIGHT * (ttft_ms - known.ttft_ms),
        known.tokens_a_second + WEIGHT * (rate - known.tokens_a_second),
        now,
    )


def waited_in_vain(known: Speed | None, seconds: float, now: float) -> Speed:
    """The average after an attempt that failed: it cost its time and said nothing."""
    if known is None or now - known.at > FORGOTTEN_SECONDS:
        return Speed(seconds * 1000, 1.0, now)
    return Speed(known.ttft_ms + WEIGHT * max(0.0, seconds * 1000 - known.ttft_ms), known.tokens_a_second, now)
