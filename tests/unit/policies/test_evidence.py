"""What users do says whether an answer was one."""

from __future__ import annotations

import pytest

from app.domain.policies.evidence import RATED_GOOD, asked_again, rated

WHY = "Why is the sky blue at noon and red in the evening?"


@pytest.mark.parametrize(
    "now",
    [
        WHY,
        "why is the sky blue at noon, and red in the evening",
        "Why is the sky blue at noon and red in the early evening?",
        "Try again",
        "No, that is wrong.",
        "That's not right",
        "wrong",
        "Not what I asked",
        "You didn't answer my question",
        "Nochmal bitte",
        "Das stimmt nicht",
    ],
)
def test_a_question_put_again_or_a_complaint_is_one(now: str) -> None:
    assert asked_again(WHY, now)


@pytest.mark.parametrize(
    "now",
    ["Thanks!", "And at night?", "Why is grass green?", "", "ok", "That was helpful, what about Mars?", "why", "No"],
)
def test_going_on_is_no_complaint(now: str) -> None:
    assert not asked_again(WHY, now)


def test_one_word_said_twice_is_not_asked_again() -> None:
    assert not asked_again("Hello", "Hello")


def test_a_rating_in_the_place_of_another_weighs_nothing_more() -> None:
    first, second = rated("code", "p/m", "u", 5, None), rated("code", "p/m", "u", 2, 5)
    assert first.good == first.weight
    assert (second.weight, second.ratings) == (0, 0)
    assert first.good + second.good == pytest.approx(first.weight * RATED_GOOD[1])
