"""What must not differ between two questions that count as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.policies.likeness import LeftOver, bare, left_over

SAME = [
    ("What is the capital of France?", "What's the capital of France"),
    ("Please explain how photosynthesis works", "explain how photosynthesis works, please."),
    ("How do I reset my password?", "How can I reset my password?"),
    ("how to bake bread", "How do I bake bread?"),
    ("Wie heißt die Hauptstadt von Peru?", "wie heißt die Hauptstadt von Peru, bitte"),
    ("don't cats swim", "do not cats swim"),
]
OTHER = [
    ("compress the files", "do not compress the files"),
    ("why do cats swim", "why don't cats swim"),
    ("Soll ich das Fenster öffnen", "Soll ich das Fenster nicht öffnen"),
    ("coffee with sugar", "coffee without sugar"),
    ("what is 17·23", "what is 17·24"),
    ("what is 17 times 23", "what is 23 times 17"),
    ("the 3.5 version", "the 35 version"),
    ("seven dwarfs", "eight dwarfs"),
    ("delete all files", "delete files"),
    ("Who is Anna Smith?", "Who is Emma Smith?"),
    ("compare Rust with Go", "compare Rust with go"),
    ("explain the US market", "explain the us market"),
    ("does the dog bite the man", "does the man bite the dog"),
    ("translate hello from German to French", "translate hello from French to German"),
    ("convert 5 km to miles", "convert 5 miles to km"),
    ("is it legal to park here", "is it illegal to park here"),
    ("can you undo it", "can you do it"),
    ("is 2 > 1", "is 2 < 1"),
    ("what does a+b mean", "what does a-b*c mean"),
    ("how do I reset my password", "how do I reset your password"),
    ("before the meal", "after the meal"),
    ("Was ist Wasser für uns in der Welt", "What is water for us in the world"),
    ("what is мир", "what is mir"),
    ("what is 水", "what is 火"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_the_same_in_other_words_leaves_nothing_over(one: str, other: str) -> None:
    assert left_over(one, other) == LeftOver((), ())


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_fault_9_04_numbers_names_denials_signs_languages_and_order_must_match(one: str, other: str) -> None:
    for found in (left_over(one, other), left_over(other, one)):
        assert found != LeftOver((), ())


def test_fault_9_04_what_only_meaning_can_tell_is_left_over_on_each_side() -> None:
    found = left_over("a card for my friend anna who likes cats", "a card for my friend emma who likes cats")
    assert found == LeftOver(("anna",), ("emma",))


def test_a_question_is_compared_without_what_changes_nothing() -> None:
    assert bare("How can I reset my password, please?") == bare("how do I reset my password") == "how reset my password"
    assert bare("The") == "The", "where nothing else is left, itself"


@given(st.text(max_size=60))
def test_a_text_is_like_itself(text: str) -> None:
    assert left_over(text, text) == LeftOver((), ())


@given(st.text(max_size=40), st.text(max_size=40))
def test_likeness_goes_both_ways(one: str, other: str) -> None:
    there, back = left_over(one, other), left_over(other, one)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert (sorted(there.one), sorted(there.other)) == (sorted(back.other), sorted(back.one))
