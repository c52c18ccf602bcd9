"""A prompt's kind of task, by its words, in less time than anybody notices."""

from __future__ import annotations

import time

import pytest

from app.domain.policies.task_kind import task_kind

PROMPTS: dict[str, list[str]] = {
    "code": [
        "Write a function that reverses a list",
        "Why does my for loop in Python raise IndexError?",
        "Translate this function to Rust",
        "Refactor this method so that it is easier to test",
        "```\nfor (let i = 0; i < 3; i++) console.log(i)\n```\nwhat does it print?",
        "Write unit tests for the parser",
        "SELECT name FROM users WHERE id = 1 is slow, why?",
        "How do I undo the last git commit?",
        "Explain what a decorator does",
        "Schreibe eine Funktion, die Primfaktoren liefert, in Python",
        "Create a Dockerfile for a Flask app",
        "TypeError: unsupported operand type(s) - what is wrong?",
        "写一个函数来反转链表的代码",
        "What is the difference between a class and a struct in C++?",
    ],
    "maths": [
        "What is 17*23?",
        "Solve x^2 + 3x = 4",
        "What is the probability of two sixes in a row?",
        "Calculate the area of a circle of radius 3",
        "Prove that the square root of 2 is irrational",
        "What is 15 % of 240?",
        "Berechne 12 + 30",
        "Integrate sin(x) from 0 to pi",
        "How many seconds are 3 days and 4 hours?",
        "\\frac{1}{2} + \\frac{1}{3}",
    ],
    "writing": [
        "Write a poem about Python, the snake",
        "Draft an e-mail to my boss asking for a day off",
        "Schreibe eine E-Mail an meinen Vermieter",
        "Summarize the following text in three sentences",
        "Rewrite this paragraph so that it sounds friendlier",
        "Compose a short story about a lighthouse",
        "Give me a slogan for a bakery",
        "Write me a cover letter for this job",
        "Proofread my essay",
        "Verfasse ein Gedicht über den Herbst",
        "Écris une lettre à ma banque",
        "写一首关于秋天的诗",
    ],
    "translation": [
        "Translate the following e-mail into German: Dear all",
        "How do you say cat in Spanish?",
        "Übersetze ins Englische: Guten Morgen",
        "Traduis en anglais : bonjour",
        "把这句话翻译成英文",
        "What does 'Feierabend' mean? Please translate it",
        "Translate to French: write a poem",
    ],
    "chat": [
        "Hello",
        "What should I cook for dinner tonight?",
        "Who was the first person on the moon?",
        "Create a table of prices",
        "Recommend three films for a rainy day",
        "What are good names for a cat?",
        "Tell me about the history of Rome",
        "Is it going to rain on 2026-11-21?",
        "How are you today? I am open 24/7",
        "",
        "Warum ist der Himmel blau?",
    ],
}


@pytest.mark.parametrize(("kind", "prompt"), [(kind, one) for kind, many in PROMPTS.items() for one in many])
def test_a_prompt_is_of_its_kind(kind: str, prompt: str) -> None:
    assert task_kind(prompt) == kind


def test_what_comes_with_pictures_is_vision() -> None:
    assert task_kind("Write a function that does this", pictures=True) == "vision"


def test_what_is_wanted_may_stand_at_the_end_of_a_long_text() -> None:
    assert task_kind("So it goes. " * 5000 + "\nTranslate all of that into German") == "translation"


@pytest.mark.parametrize("piece", ["x", "write ", "a b ", "1 + ", "(((", "é"])
def test_a_prompt_of_any_length_is_judged_in_a_moment(piece: str) -> None:
    prompt = piece * (1_000_000 // len(piece))
    best = min(_seconds(prompt) for _ in range(5))
    assert best < 0.005


def _seconds(prompt: str) -> float:
    began = time.perf_counter()
    task_kind(prompt)
    return time.perf_counter() - began
