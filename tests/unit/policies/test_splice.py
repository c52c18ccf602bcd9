"""The seam of a rescued answer, to the character."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.policies.splice import Afresh, Continuation

ANSWER = "The capital of France is Paris.\n\n```python\ndef f():\n    return 'é🙂'\n```\nIt stands on the Seine.\n"

pieces = st.lists(st.integers(1, 9), min_size=1, max_size=30)


def cut(text: str, sizes: list[int]) -> list[str]:
    out, at = [], 0
    while at < len(text):
        size = sizes[len(out) % len(sizes)]
        out.append(text[at : at + size])
        at += size
    return out


def continued(sent: str, asked: str, text: str, sizes: list[int]) -> tuple[str, bool]:
    join = Continuation(sent, asked)
    out, diverged = sent, False
    for joined in [*(join.feed(piece) for piece in cut(text, sizes)), join.end()]:
        out += joined.text
        diverged |= joined.diverged
    return out, diverged


def asked_afresh(sent: str, text: str, sizes: list[int]) -> tuple[str, bool]:
    join = Afresh(sent)
    out, diverged = sent, False
    for piece in cut(text, sizes):
        joined = join.feed(piece)
        if joined.diverged:
            return out, True
        out += joined.text
    return out, diverged or join.end().diverged


@given(at=st.integers(1, len(ANSWER) - 1), sizes=pieces)
def test_a_continuation_from_any_character_gives_the_whole_answer(at: int, sizes: list[int]) -> None:
    assert continued(ANSWER[:at], ANSWER[:at], ANSWER[at:], sizes) == (ANSWER, False)


@given(at=st.integers(1, len(ANSWER) - 1), sizes=pieces)
def test_white_space_cut_off_the_prefix_is_neither_doubled_nor_lost(at: int, sizes: list[int]) -> None:
    sent = ANSWER[:at]
    asked = sent.rstrip()
    assert continued(sent, asked, ANSWER[len(asked) :], sizes) == (ANSWER, False)


@given(at=st.integers(3, len(ANSWER) - 1), sizes=pieces)
def test_a_rescuer_that_begins_again_is_not_heard_twice(at: int, sizes: list[int]) -> None:
    assert continued(ANSWER[:at], ANSWER[:at], ANSWER, sizes) == (ANSWER, False)


@pytest.mark.parametrize(("sent", "text"), [("The capital of Fra", "France is Paris."), ("an exa", "example")])
def test_a_word_in_which_the_break_fell_is_not_doubled(sent: str, text: str) -> None:
    whole = sent[: sent.rindex(" ") + 1] + text
    assert continued(sent, sent, text, [3]) == (whole, False)


@given(at=st.integers(1, len(ANSWER) - 1), sizes=pieces)
def test_an_equal_answer_asked_afresh_streams_only_what_is_new(at: int, sizes: list[int]) -> None:
    assert asked_afresh(ANSWER[:at], ANSWER, sizes) == (ANSWER, False)


@given(st.text(min_size=1), st.text(min_size=1), pieces)
def test_another_answer_is_never_joined(sent: str, other: str, sizes: list[int]) -> None:
    out, diverged = asked_afresh(sent, other, sizes)
    assert diverged is not other.startswith(sent)
    assert out == (other if not diverged else sent)


def test_the_beginning_of_another_answer_is_kept_for_the_restart() -> None:
    join = Afresh("Paris is")
    assert not join.feed("Pa").diverged
    assert join.feed("ra").diverged
    assert join.text == "Para"


def test_an_answer_that_repeats_a_line_is_not_robbed_of_it() -> None:
    line = "    print('the same line again')\n"
    assert continued(line * 3, line * 3, "done\n" + line * 2, [7]) == (line * 3 + "done\n" + line * 2, False)


@pytest.mark.parametrize(
    ("sent", "said", "joined"),
    [
        ("It is The", "The end", "It is The end"),
        ("It is Par", "Paris", "It is Paris"),
        ("my ma", "ma said", "my mama said"),
        ("it had", " had its day", "it had had its day"),
        ("no. 1", "12", "no. 112"),
        ("the end ", "end of it", "the end of it"),
        ("it had ", " had its day", "it had had its day"),
    ],
)
def test_a_word_that_is_said_again_from_its_start_is_not_doubled(sent: str, said: str, joined: str) -> None:
    assert continued(sent, sent.rstrip(), said, [1]) == (joined, False)
