"""A long text cut into passages, and the best of them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.domain.policies.passages import GAP, LONGEST, cut, joined, likely, words_of
from app.domain.policies.tokens import size_of
from app.domain.search import Passage


@given(st.text(max_size=5_000))
def test_no_word_is_lost_and_no_passage_is_too_long(text: str) -> None:
    pieces = list(cut(text))
    assert all(0 < len(piece) <= LONGEST for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_lines_stay_whole_and_long_ones_end_with_a_sentence() -> None:
    sentence = "The sheep eats grass on the hill. "
    pieces = list(cut("short\n" * 10 + sentence * 60))
    assert pieces[0].startswith("short\nshort\n")
    assert all(piece.endswith(".") for piece in pieces[1:])


def test_a_text_without_spaces_is_cut_all_the_same() -> None:
    assert [len(piece) for piece in cut("x" * 2_000)] == [LONGEST, LONGEST, 200]


def test_the_likely_ones_have_the_words_and_keep_their_order() -> None:
    texts = ["nothing", "Halley is a comet", "a comet", "nothing more", "the comet of Halley"]
    found = likely(iter(texts), words_of("When does the comet Halley come?"), 2)
    assert [(passage.at, passage.words) for passage in found] == [(1, 2), (4, 2)]


def test_the_best_are_joined_in_order_with_a_mark_where_something_is_left_out() -> None:
    passages = [Passage(at, text, 0) for at, text in ((0, "one"), (1, "two"), (5, "six"))]
    assert joined(passages, [0.9, 0.8, 0.7], 1_000) == f"one\ntwo{GAP}six"
    assert joined(passages, [0.1, 0.2, 0.9], 1_000) == "six"
    assert joined(passages, [-0.1, -0.2, -0.3], 1_000) == "one"
    assert joined([], [], 1_000) == ""


@given(st.lists(st.tuples(st.text(min_size=1, max_size=50), st.floats(-1, 1)), max_size=20), st.integers(0, 500))
def test_what_is_joined_has_room(rows: list[tuple[str, float]], room: int) -> None:
    passages = [Passage(at, text, 0) for at, (text, _) in enumerate(rows)]
    assert size_of(joined(passages, [score for _, score in rows], room)) <= room
