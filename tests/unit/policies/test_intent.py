"""A wish for a picture is told from a wish for a text, on prompts that were written for it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from app.domain.policies.intent import wants_picture

PROMPTS = Path(__file__).with_name("prompts")
PICTURES = (PROMPTS / "pictures.txt").read_text(encoding="utf-8").splitlines()
TEXTS = (PROMPTS / "texts.txt").read_text(encoding="utf-8").splitlines()


def test_the_list_is_large_and_even() -> None:
    assert len({*PICTURES, *TEXTS}) == len(PICTURES) + len(TEXTS) >= 300
    assert min(len(PICTURES), len(TEXTS)) >= 150


def test_ninety_seven_of_a_hundred_prompts_are_told_rightly() -> None:
    wrong = [prompt for prompt in PICTURES if not wants_picture(prompt)]
    wrong += [prompt for prompt in TEXTS if wants_picture(prompt)]
    assert len(wrong) <= 0.03 * (len(PICTURES) + len(TEXTS)), wrong


@pytest.mark.parametrize("word", ["create", "design", "generate", "make", "Erstelle", "produce"])
@pytest.mark.parametrize("thing", ["a table of prices", "a database", "a password", "a plan for my week", "it", ""])
def test_a_word_of_making_alone_is_no_wish_for_a_picture(word: str, thing: str) -> None:
    assert not wants_picture(f"{word} {thing}")


@pytest.mark.parametrize(
    "prompt",
    ["draw a cat", "paint a cat", "sketch a cat", "logo of a cat", "portrait of a cat", "photo of a cat",
     "illustrate a cat in a book for children", "render a city of cats"],
)  # fmt: skip
def test_the_words_of_the_contract_are(prompt: str) -> None:
    assert wants_picture(prompt)
    assert wants_picture(prompt.upper())


@pytest.mark.parametrize("prompt", ["", " ", "\n", "a" * 1_000_000, "draw " * 200_000, "create an " * 100_000])
def test_it_takes_no_time_whatever_is_said(prompt: str) -> None:
    began = time.perf_counter()
    wants_picture(prompt)
    assert time.perf_counter() - began < 0.1
