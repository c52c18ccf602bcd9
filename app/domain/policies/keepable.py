"""Which answers may be given again. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.domain.events import Answer, Attempt

#: Why a model was asked that nobody wished for: once the one that was wished for is back, it is to answer.
STAND_INS: Final = frozenset({"fallback", "catalogue"})


def keepable(answers: Sequence[Answer], attempts: Sequence[Attempt], skipped_chunks: int) -> bool:
    """Whether these answers of one call are whole, said by one model that ended each by itself, and say something.

    Not where any was cut, filtered or calls a tool; not what was joined of two models' answers or begun anew before its
    reader's eyes; not what a stand-in said, nor what may have lost a piece on its way.
    """
    if not answers or not attempts or skipped_chunks:
        return False
    last = attempts[-1]
    if last.error is not None or last.reason in STAND_INS or any(attempt.next == "rescue" for attempt in attempts):
        return False
    return all(
        answer.finish_reason == "stop" and not answer.tool_calls and bool(answer.text.strip()) for answer in answers
    )
