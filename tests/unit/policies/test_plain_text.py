"""Titles and summaries that may be HTML, as a reader sees them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.policies.plain_text import plain_line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain\n  words", "plain words"),
        ("It <b>was</b> he<em>re</em>.<br>Yes &amp; no", "It was here. Yes & no"),
        ("a < b and b > c, 1 <2", "a < b and b > c, 1 <2"),
        ("<!-- not this -->this<!-- nor -- this", "this"),
        ("<p hidden>no</p><p>yes</p>", "yes"),
        ("<div style='x'><div>no</div>no</div> yes", "yes"),
        ("<span aria-hidden=true>no<p>no", ""),
        ("<script>no</script><style>no</style>yes", "yes"),
        ("ze\u200bro \U000e0041tag", "zero tag"),
        ("&lt;/page&gt;", "</page>"),
    ],
)
def test_it_is_one_line_of_what_is_seen(text: str, line: str) -> None:
    assert plain_line(text) == line


@given(st.text(max_size=300))
def test_any_text_is_one_line(text: str) -> None:
    line = plain_line(text)
    assert line == " ".join(line.split())


def test_a_hostile_text_takes_a_moment() -> None:
    began = time.perf_counter()
    for piece in ("<a ", "<!--", "<b hidden>", "&#", "<![", "</", "<a b='"):
        plain_line((piece * 40_000)[:40_000])
    assert time.perf_counter() - began < 1
