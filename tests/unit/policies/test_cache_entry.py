"""Kept answers come back as they were, or not at all."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.domain.cached import KeptChoice, KeptReply
from app.domain.policies.cache_entry import packed, unpacked
from app.domain.policies.cache_key import CacheKey
from app.domain.usage import Usage
from app.domain.wishes import Source

KEY = CacheKey("u1", "a" * 64)
REPLY = KeptReply(
    "llama",
    "groq",
    (KeptChoice("hello 👋", "hm", {"content": [{"token": "hello", "logprob": -0.5}]}), KeptChoice("hi")),
    Usage(10, 5, 2, 1, "provider"),
    (Source("a page", url="https://x.test", text="said"), Source("a file", file="f.pdf", page=3, text="so")),
)

texts = st.text(st.characters(exclude_categories=()), max_size=50)


def test_an_answer_comes_back_as_it_was() -> None:
    assert unpacked(KEY, packed(KEY, REPLY)) == REPLY


@given(st.lists(st.builds(KeptChoice, texts, texts), min_size=1, max_size=3))
def test_any_text_comes_back_as_it_was(choices: list[KeptChoice]) -> None:
    reply = KeptReply("m", "p", tuple(choices), Usage())
    assert unpacked(KEY, packed(KEY, reply)) == reply


@given(st.data())
def test_fault_9_03_what_is_damaged_anywhere_is_no_answer(data: Any) -> None:
    body = bytearray(packed(KEY, REPLY))
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] ^= data.draw(st.integers(1, 255))
    assert unpacked(KEY, bytes(body)) is None


@given(st.integers(0, 400))
def test_fault_9_03_what_is_cut_off_is_no_answer(length: int) -> None:
    body = packed(KEY, REPLY)
    assert unpacked(KEY, body[: min(length, len(body) - 1)]) is None


def test_fault_9_03_what_is_of_another_form_or_under_anothers_key_is_no_answer() -> None:
    body = packed(KEY, REPLY)
    assert unpacked(KEY, b"c0" + body[2:]) is None
    assert unpacked(CacheKey("u1", "b" * 64), body) is None
