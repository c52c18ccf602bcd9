"""The estimate of a text's tokens: never raises, never slow, never counts markers as anything but text."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.chat import AudioPart, ImagePart, Message, TextPart, ToolCall
from app.domain.events import Delta, ToolCallPart
from app.domain.policies.tokens import TOKENS_A_MESSAGE, TOKENS_AN_IMAGE, estimate, estimate_prompt, said_bytes


@given(st.text(alphabet=st.characters()))
def test_any_text_is_counted(text: str) -> None:
    assert estimate(text) >= 0
    assert (estimate(text) == 0) == (text == "")


@given(st.text(), st.text())
def test_two_texts_are_as_long_as_both(first: str, second: str) -> None:
    assert estimate(first + second) <= estimate(first) + estimate(second) <= estimate(first + second) + 1


def test_a_lone_surrogate_is_counted_too() -> None:
    assert estimate("\ud800") == 1


@pytest.mark.parametrize("letter", ["a", " ", "👩", "\n", "<|endoftext|>"])
def test_fault_2_19_a_megabyte_of_one_letter_is_counted_at_once(letter: str) -> None:
    text = letter * (2**20 // len(letter.encode()))
    began = time.perf_counter()
    counted = estimate(text)
    assert time.perf_counter() - began < 0.1
    assert len(text) * 0.02 < counted <= 2**20


@pytest.mark.parametrize("marker", ["<|endoftext|>", "<|im_start|>", "[INST]", "<s>", "<|eot_id|>"])
def test_fault_2_19_a_tokenizers_own_words_are_text(marker: str) -> None:
    assert estimate(marker) > 1


def test_a_prompt_is_its_texts_its_calls_its_pictures_and_a_frame_each() -> None:
    prompt = (
        Message("user", "abcd" * 10),
        Message("user", (TextPart("abcd"), ImagePart("data:image/png;base64,aaaa"), AudioPart("aaaa", "wav"))),
        Message("assistant", None, tool_calls=(ToolCall("c1", "abcd", "efgh"),)),
    )
    assert estimate_prompt(prompt) == 3 * TOKENS_A_MESSAGE + 11 + 2 + TOKENS_AN_IMAGE + 4
    assert estimate_prompt(()) == 0


@given(st.text(), st.text(), st.none() | st.text(), st.text())
def test_all_that_a_piece_says_is_measured_in_bytes(said: str, thought: str, name: str | None, arguments: str) -> None:
    parts = (ToolCallPart(0, "c1", name, arguments), ToolCallPart(1, arguments="é"))
    whole = said + thought + (name or "") + arguments + "é"
    assert said_bytes(Delta(said, thought, parts)) == len(whole.encode("utf-8", "surrogatepass"))
