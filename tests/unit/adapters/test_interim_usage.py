"""A provider's first word on usage is not its last."""

from __future__ import annotations

import time

import orjson
import pytest

from app.adapters import anthropic
from app.adapters.wire import Answers
from app.domain.errors import ProviderFault
from app.domain.events import ProviderEvent, UsageReport
from app.domain.policies.metering import believable
from app.domain.usage import Usage
from app.utils.patience import Patience

BEGINNING = [
    {"type": "message_start", "message": {"usage": {"input_tokens": 25, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word " * 500}},
]
END = [
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 500}},
    {"type": "message_stop"},
]


def events_of(chunks: list[dict[str, object]]) -> list[ProviderEvent]:
    patience = Patience(deadline=time.monotonic() + 9, first=9, stall=9)
    out: list[ProviderEvent] = []
    try:
        out.extend(anthropic.decode_stream([orjson.dumps(chunk) for chunk in chunks], Answers(), patience))
    except ProviderFault:
        out.append(UsageReport(Usage(source="counted")))
    return out


def test_an_answer_that_broke_off_is_not_charged_by_the_number_it_began_with() -> None:
    told = [event.usage for event in events_of(BEGINNING) if isinstance(event, UsageReport)]
    assert all(usage.completion != 1 for usage in told)


def test_a_whole_answer_is_charged_by_both_numbers() -> None:
    told = [event.usage for event in events_of(BEGINNING + END) if isinstance(event, UsageReport)]
    assert (told[-1].prompt, told[-1].completion) == (25, 500)


@pytest.mark.parametrize(("told", "true"), [(1, False), (40, False), (240, True), (1_000, True), (4_065, False)])
def test_a_number_far_below_what_came_is_not_believed_either(told: int, true: bool) -> None:
    counted = Usage(prompt=20, completion=1_000, source="counted")
    assert believable(Usage(20, told), counted, max_tokens=None, max_output=None, reasons=False) is true
