"""What a search engine is asked for a question."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.policies.search_query import LONGEST, clipped, links_in, plain_query, query_of

PISA = "How high is the tower of Pisa?"


@pytest.mark.parametrize(
    ("question", "query"),
    [
        (PISA, PISA),
        ("  How\n high\tis it  ", "How high is it"),
        ("Why does this fail?\n```python\nraise ValueError\n```", "Why does this fail?"),
        ("```\nonly code\n```", "``` only code ```"),
        ("\u202eweather\u200b in\U000e0041 Bern", "weather in Bern"),
        ("!!g weather !images :de <3 cats", "g weather images de 3 cats"),
        ("a! b: 1<2 what?", "a! b: 1<2 what?"),
        ("word " * 100 + ". What is the price of gold today? Thanks.", "What is the price of gold today?"),
        ("   ", ""),
    ],
)
def test_a_query_is_one_plain_line(question: str, query: str) -> None:
    assert query_of(question) == query


@pytest.mark.parametrize(
    "question", ["And how old is it?", "Where?", "Is it open?", "what about Bern?", "Und wie alt?"]
)
def test_a_question_that_leans_on_the_last_one_is_asked_with_it(question: str) -> None:
    query = query_of(question, PISA)
    assert query.startswith("How high is the tower of")
    assert query.endswith(question)


def test_a_question_that_stands_by_itself_is_asked_alone() -> None:
    assert query_of("Who built the cathedral of Milan?", PISA) == "Who built the cathedral of Milan?"


@given(st.text(max_size=2_000), st.text(max_size=500))
def test_a_query_is_never_long_and_never_a_command(question: str, before: str) -> None:
    for query in (query_of(question, before), plain_query(question)):
        assert len(query) <= LONGEST
        assert query == " ".join(query.split())
        assert not any(word[0] in "!:<?" for word in query.split() if set(word) - set("!:<?"))


def test_addresses_in_a_question_are_told_without_what_ends_the_sentence() -> None:
    question = "Compare https://a.example/x?y=1, (see http://b.example/z) and HTTPS://A.example/w_(u). https://a.example/x?y=1!"
    assert links_in(question) == ("https://a.example/x?y=1", "http://b.example/z", "HTTPS://A.example/w_(u)")
    assert links_in("no link: ftp://x.example, example.com") == ()
    assert len(links_in(" ".join(f"http://{n}.example/" for n in range(9)))) == 3


def test_of_a_book_the_ends_are_read() -> None:
    book = "What is this? " + "word. " * 2_000_000 + "Who wrote it in 1808?"
    assert len(clipped(book)) < 9_000
    assert query_of(clipped(book)) == "Who wrote it in 1808?"
    assert clipped("short") == "short"
