"""Vocabularies in a package: no network, no marker taken for what it names, no text too long or too strange."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.catalogue import Model
from app.domain.policies.tokens import estimate
from app.services.chat.counting import Counting
from app.utils.vocabularies import COUNTED, Vocabularies

NAMES = ["o200k_base", "cl100k_base", "gpt_oss", "llama3", "deepseek_v3", "mistral_v3", "kimi_k2", "qwen3", "gemma3"]


@pytest.fixture(scope="module")
def vocabularies() -> Vocabularies:
    return Vocabularies()


@pytest.mark.parametrize("name", NAMES)
def test_each_vocabulary_that_a_family_names_is_here(vocabularies: Vocabularies, name: str) -> None:
    count = vocabularies.count(name)
    assert count is not None
    assert 2 <= count("Hello, world!") <= 6


def test_known_counts_of_o200k_hold(vocabularies: Vocabularies) -> None:
    count = vocabularies.count("o200k_base")
    assert count is not None
    assert [count(text) for text in ("", "hello world", "tiktoken is great!")] == [0, 2, 6]


def test_fault_2_19_a_marker_in_a_text_is_text(vocabularies: Vocabularies) -> None:
    count = vocabularies.count("o200k_base")
    assert count is not None
    assert count("<|endoftext|>") > 1


@settings(max_examples=50)
@given(st.text(alphabet=st.characters()))
def test_any_text_is_counted_lone_surrogates_too(text: str) -> None:
    count = Vocabularies_.count("llama3")
    assert count is not None
    assert (count(text) == 0) == (text == "")


Vocabularies_ = Vocabularies()


@pytest.mark.parametrize("text", [" " * 2**20, "a" * 2**20, "\n" * 2**20, "\U0001f469" * 2**18])
def test_fault_2_19_a_megabyte_is_counted_soon(vocabularies: Vocabularies, text: str) -> None:
    count = vocabularies.count("o200k_base")
    assert count is not None
    began = time.perf_counter()
    assert count(text) > 0
    assert time.perf_counter() - began < 2
    assert len(text) > COUNTED


def test_a_vocabulary_that_is_not_here_is_told_once_and_estimated(vocabularies: Vocabularies) -> None:
    assert vocabularies.count("no-such-vocabulary") is None
    assert Counting(vocabularies).of(Model("x/claude", "x", "claude")) is estimate
