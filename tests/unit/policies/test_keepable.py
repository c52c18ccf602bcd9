"""Only whole answers of the model that was wished for are given again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.chat import ToolCall
from app.domain.events import Answer, Attempt
from app.domain.policies.keepable import keepable

WHOLE = Answer("hello", "", (), "stop")
TRIED = Attempt(1, "llama", "groq", "…key", "asked for", 0, 100, 50, 200)


def test_a_whole_answer_is_kept() -> None:
    assert keepable([WHOLE], [TRIED], 0)
    assert keepable([WHOLE, replace(WHOLE, text="hi")], [TRIED], 0)


@pytest.mark.parametrize(
    "answer",
    [
        replace(WHOLE, finish_reason="length"),
        replace(WHOLE, finish_reason="content_filter"),
        replace(WHOLE, finish_reason="tool_calls"),
        replace(WHOLE, tool_calls=(ToolCall("1", "look", "{}"),)),
        replace(WHOLE, text=""),
        replace(WHOLE, text=" \n"),
        replace(WHOLE, text="", reasoning="much thought"),
    ],
)
def test_fault_9_03_less_than_a_whole_answer_is_not_kept(answer: Answer) -> None:
    assert not keepable([answer], [TRIED], 0)
    assert not keepable([WHOLE, answer], [TRIED], 0)


@pytest.mark.parametrize(
    "attempts",
    [
        [],
        [replace(TRIED, error="cut", next="rescue"), replace(TRIED, n=2)],
        [replace(TRIED, error="cut")],
        [replace(TRIED, error="server_error", next="next_model"), replace(TRIED, n=2, reason="catalogue")],
        [replace(TRIED, error="server_error", next="next_model"), replace(TRIED, n=2, reason="fallback")],
    ],
)
def test_fault_9_03_what_was_joined_of_two_or_said_by_a_stand_in_is_not_kept(attempts: list[Attempt]) -> None:
    assert not keepable([WHOLE], attempts, 0)


def test_an_answer_that_may_have_lost_a_piece_is_not_kept() -> None:
    assert not keepable([WHOLE], [TRIED], 1)
    assert not keepable([], [TRIED], 0)


def test_an_answer_at_the_second_try_is_as_good() -> None:
    assert keepable([WHOLE], [replace(TRIED, error="rate_limited", next="next_key"), replace(TRIED, n=2)], 0)
