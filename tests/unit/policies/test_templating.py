from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidRequest, TooLarge
from app.domain.policies.templating import MOST_CONTENT, MOST_PLACEHOLDERS, MOST_TEXT, MOST_VARIABLES, checked, fill
from app.domain.templates import Draft, Variable


def draft(content: str, *variables: Variable) -> Draft:
    return checked(Draft("n", "c", content, variables=variables))


def filled(content: str, *variables: Variable, **values: Any) -> str:
    made = draft(content, *variables)
    return fill(made.content, made.variables, values)


def fault(content: str, *variables: Variable, **values: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        filled(content, *variables, **values)
    return caught.value


def test_every_placeholder_of_a_name_becomes_its_value() -> None:
    assert filled("{{a}}-{{ b }}-{{a}}", a="1", b="2") == "1-2-1"


HOSTILE = ["{{x}}", "{{a}}", "{{7*7}}", "{% for %}", "{a.__class__}", "%(a)s", "${HOME}", "{0}", "\\1", "\\g<1>", "$a"]


@pytest.mark.parametrize("text", HOSTILE)
def test_fault_9_1_a_value_that_looks_like_a_placeholder_stays_what_it_is(text: str) -> None:
    assert filled("<{{a}}{{b}}>", a=text, b="{{a}}") == f"<{text}{{{{a}}}}>"


@pytest.mark.parametrize(
    "text", ["{{7*7}}", "{% if %}", "{a.__class__}", "%(a)s", "${a}", "{{a.b}}", "{{}}", "{{ 1a }}"]
)
def test_fault_9_1_what_is_no_placeholder_in_a_template_is_text(text: str) -> None:
    assert filled(text + "{{a}}", a="v") == text + "v"


@given(st.text(), st.text())
def test_fault_9_1_any_value_comes_out_as_it_went_in(first: str, second: str) -> None:
    assert filled("[{{a}}|{{b}}|{{a}}]", a=first, b=second) == f"[{first}|{second}|{first}]"


@given(st.text(alphabet="{}ab _", max_size=60))
def test_a_text_filled_with_its_own_placeholders_is_itself(content: str) -> None:
    content += "."
    made = draft(content)
    # Blanks within the braces are no part of a name.
    assert fill(made.content, made.variables, {v.name: f"{{{{{v.name}}}}}" for v in made.variables}).replace(
        " ", ""
    ) == content.replace(" ", "")


def test_a_variable_that_is_missing_is_named() -> None:
    assert fault("{{a}} {{b}}", a="1").field == "template_vars.b"
    assert "'b' is missing" in fault("{{a}} {{b}}", a="1", b=None).message


def test_a_variable_that_nobody_knows_is_named() -> None:
    assert fault("{{a}}", a="1", **{"z\n": "2"}).field == "template_vars.z?"


def test_a_default_stands_for_what_is_not_given() -> None:
    assert filled("{{a}}{{b}}", Variable("a", default=""), Variable("b", "number", default=0), b=5) == "5"
    assert filled("{{a}}", Variable("a", "boolean", default=False)) == "false"


@pytest.mark.parametrize(
    ("kind", "good", "text", "bad"),
    [
        ("string", "x", "x", [5, True, [], {}]),
        ("number", 1.5, "1.5", ["1.5", True, [1]]),
        ("number", 7, "7", ["seven"]),
        ("boolean", True, "true", ["true", 1, 0]),
        ("choice", "red", "red", ["Red", "", 5, ["red"]]),
    ],
)
def test_a_value_is_of_its_variables_type(kind: Any, good: Any, text: str, bad: list[Any]) -> None:
    variable = Variable("a", kind, choices=("red", "blue") if kind == "choice" else ())
    assert filled("{{a}}", variable, a=good) == text
    for value in bad:
        assert fault("{{a}}", variable, a=value).field == "template_vars.a"


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ([Variable("b")], "variables[0].name"),
        ([Variable("7a")], "variables[0].name"),
        ([Variable("a"), Variable("a")], "variables"),
        ([Variable("a", "choice")], "variables[0].choices"),
        ([Variable("a", "string", choices=("x",))], "variables[0].choices"),
        ([Variable("a", "choice", choices=("x", "x"))], "variables[0].choices"),
        ([Variable("a", "choice", "z", ("x",))], "variables[0].default"),
        ([Variable("a", "number", "5")], "variables[0].default"),
    ],
)
def test_what_is_wrong_with_a_template_is_named(variables: list[Variable], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        draft("{{a}}", *variables)
    assert caught.value.field == field


def test_variables_that_are_not_told_are_required_strings_in_the_order_of_the_text() -> None:
    made = draft("{{c}}{{b}}{{a}}{{c}}", Variable("a", "number"))
    assert made.variables == (Variable("a", "number"), Variable("c"), Variable("b"))


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("x" * (MOST_CONTENT + 1), "content"),
        ("{{a}}" * (MOST_PLACEHOLDERS + 1), "content"),
        ("{{a}}" * 10_000, "content"),
    ],
)
def test_fault_9_1_a_template_that_is_too_large_is_413(content: str, field: str) -> None:
    with pytest.raises(TooLarge) as caught:
        draft(content)
    assert (caught.value.field, caught.value.details["reason"]) == (field, "size")


def test_fault_9_1_values_that_make_too_much_text_are_413_before_it_is_made() -> None:
    began = time.perf_counter()
    with pytest.raises(TooLarge) as caught:
        filled("{{a}}" * 100, a="x" * 1_000_000)
    assert caught.value.field == "template_vars"
    assert time.perf_counter() - began < 0.5
    assert len(filled("{{a}}", a="x" * MOST_TEXT)) == MOST_TEXT


def test_too_many_variables_and_choices_without_end_are_refused() -> None:
    many = "".join(f"{{{{v{n}}}}}" for n in range(MOST_VARIABLES + 1))
    assert fault(many).field == "variables"
    with pytest.raises(TooLarge):
        draft("{{a}}", Variable("a", default="x" * (MOST_CONTENT + 1)))


@pytest.mark.parametrize("content", ["{" * 50_000, "{{" * 25_000, "{{" + " " * 49_000, "{{a" * 16_000])
def test_no_text_makes_the_search_slow(content: str) -> None:
    began = time.perf_counter()
    draft(content)
    assert time.perf_counter() - began < 0.5


def test_a_template_without_text_is_refused() -> None:
    assert fault(" \n").field == "content"
