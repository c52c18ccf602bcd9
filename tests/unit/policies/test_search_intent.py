"""Which questions want what is known only today."""

from __future__ import annotations

import time
from datetime import date

import pytest

from app.domain.policies.search_intent import wants_search

TODAY = date(2026, 11, 21)
WANTS = [
    "What is the weather in Bern today?",
    "latest news about the elections",
    "What's the current price of bitcoin?",
    "Who is the president of France?",
    "Who won the world cup final in 2026?",
    "What happened in the stock market this week",
    "Search the web for vegan restaurants in Lyon",
    "look up the opening hours of the Louvre",
    "What is the newest stable version of PostgreSQL?",
    "Summarise https://example.com/post for me",
    "When does the summer Olympics 2028 start?",
    "Wie ist das aktuelle Wetter in Zürich heute?",
    "Suche im Internet nach günstigen Flügen",
    "Quelles sont les actualités aujourd'hui ?",
    "¿Qué noticias hay hoy?",
    "How much does a Tesla Model 3 cost right now?",
]
DOES_NOT = [
    "What is two and two?",
    "Write a poem about the sea",
    "Explain how TCP works",
    "Translate 'good morning' into French",
    "How do I get the current directory in Python?",
    "What was the French revolution?",
    "Refactor this function so that it returns the latest element",
    "Why is the sky blue?",
    "Who wrote Faust in 1808?",
    "Write a story that is set in 2077 today",
    "Summarise this text: the price of freedom",
    "Was ist der Unterschied zwischen Liste und Tupel?",
    "",
]


@pytest.mark.parametrize("question", WANTS)
def test_what_changes_by_the_day_is_searched_for(question: str) -> None:
    assert wants_search(question, TODAY)


@pytest.mark.parametrize("question", DOES_NOT)
def test_what_does_not_is_not(question: str) -> None:
    assert not wants_search(question, TODAY)


def test_a_year_counts_by_the_day_it_is_asked_on() -> None:
    question = "Who won the election of 2024?"
    assert wants_search(question, date(2024, 12, 1))
    assert not wants_search("Who was the mayor in 2024?", date(2030, 1, 1))


def test_a_long_question_takes_no_longer_than_a_moment() -> None:
    began = time.perf_counter()
    for question in ("search " * 5_000, "is " * 9_000, "https://" * 4_000, "when will " * 5_000):
        wants_search(question, TODAY)
    assert time.perf_counter() - began < 0.5
