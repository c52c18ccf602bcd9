"""Pages in a prompt: nothing that they or their titles say can end the marks they stand between."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.chat import ImagePart, Message, TextPart, ToolCall
from app.domain.policies.last_turn import with_quoted
from app.domain.policies.quoting import HIDDEN, quoted_page
from app.domain.policies.search_tool import queries_of

MARK = re.compile(r"<\s*/?\s*page\b", re.IGNORECASE)
hostile = st.lists(
    st.sampled_from(["<", "</", "page", "PAGE", " ", "\n", ">", '"', "\u200b", "\U000e0041", "\x00", "‹", "a", "="])
).map("".join)


@given(hostile, hostile, hostile)
def test_fault_9_07_only_we_write_the_marks(title: str, url: str, text: str) -> None:
    quoted = quoted_page(1, title, url, text)
    assert len(MARK.findall(quoted)) == 2
    assert quoted.startswith('<page number="1" title="')
    assert quoted.endswith("\n</page>")
    assert not HIDDEN.search(quoted)
    first = quoted.split("\n")[0]
    assert first.count('"') == 6


@pytest.mark.parametrize(
    ("messages", "turned"),
    [
        ((Message("user", "hi"),), (Message("user", "hi\n\nQ"),)),
        (
            (Message("user", "a"), Message("assistant", "b"), Message("user", "c")),
            (Message("user", "a"), Message("assistant", "b"), Message("user", "c\n\nQ")),
        ),
        (
            (Message("user", (TextPart("see"), ImagePart("data:x"))),),
            (Message("user", (TextPart("see"), ImagePart("data:x"), TextPart("Q"))),),
        ),
        ((Message("system", "s"),), (Message("system", "s"), Message("user", "Q"))),
    ],
)
def test_what_is_quoted_stands_behind_the_last_question(
    messages: tuple[Message, ...], turned: tuple[Message, ...]
) -> None:
    assert with_quoted(messages, "Q") == turned


def call(arguments: str) -> ToolCall:
    return ToolCall("1", "web_search", arguments)


@pytest.mark.parametrize(
    "arguments", ["", "{", "[]", '"x"', "{}", '{"query": 5}', '{"query": "  "}', "[" * 100_000, '{"query": null}']
)
def test_a_call_that_makes_no_sense_is_no_query(arguments: str) -> None:
    assert queries_of([call(arguments)]) == ()


def test_queries_are_told_once_each_and_plain() -> None:
    calls = [call('{"query": "!!g a"}'), call('{"query": "b"}'), call('{"query": "b"}')]
    assert queries_of(calls) == ("g a", "b")
