"""How quick a model is, as an average that forgets. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

WEIGHT = 0.2
TYPICAL_ANSWER = 200
#: What was not seen for so long is not known any more: a model that was slow once is asked again.
FORGOTTEN_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Speed:
    """ttft_ms: to the first content, 0 where none was seen yet; tokens_a_second: from then on; at: when it was seen
    last, monotonic seconds; lost_ms: what its failures cost of late."""

    ttft_ms: float
    tokens_a_second: float
    at: float = 0.0
    lost_ms: float = 0.0

    @property
    def answer_ms(self) -> float:
        """How long an answer of a usual length takes."""
        return self.ttft_ms + self.lost_ms + TYPICAL_ANSWER / max(self.tokens_a_second, 1.0) * 1000


def observed(known: Speed | None, ttft_ms: float, tokens: int, seconds: float, now: float = 0.0) -> Speed:
    """The average with one more answer in it."""
    rate = tokens / seconds if seconds > 0 else float(tokens) * 1000
    if known is None or not known.ttft_ms or now - known.at > FORGOTTEN_SECONDS:
        return Speed(float(ttft_ms), rate, now)
    return Speed(
        known.ttft_ms + WEIGHT * (ttft_ms - known.ttft_ms),
        known.tokens_a_second + WEIGHT * (rate - known.tokens_a_second),
        now,
        known.lost_ms * (1 - WEIGHT),
    )


def waited_in_vain(known: Speed | None, seconds: float, now: float) -> Speed:
    """The average after an attempt that failed: it cost its time and said nothing."""
    if known is None or now - known.at > FORGOTTEN_SECONDS:
        return Speed(0.0, 1.0, now, seconds * 1000)
    return replace(known, at=now, lost_ms=known.lost_ms + WEIGHT * (seconds * 1000 - known.lost_ms))
