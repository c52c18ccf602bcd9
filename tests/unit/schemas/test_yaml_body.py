from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InvalidRequest
from app.schemas.yaml_body import MAX_BYTES, MAX_THINGS, dump, parse

TEXT = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
PLAIN = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20)


@given(st.dictionaries(TEXT, VALUES))
def test_what_is_written_is_read_again_character_for_character(value: dict[str, Any]) -> None:
    assert parse(dump(value).encode()) == value


LAUGHS = "a: &a [x,x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)},*{chr(97 + n)}]\n" for n in range(20)
)
HOSTILE = {
    "aliases that laugh": LAUGHS,
    "one anchor": "a: &x 1",
    "a merge": "a: {b: 1}\nc:\n  <<: *a",
    "an object": "a: !!python/object/apply:os.system ['id']",
    "a name of Python's": "a: !!python/name:os.system",
    "a tag of one's own": "a: !env HOME",
    "binary": "a: !!binary aGk=",
    "a key twice": "a: 1\nb: 2\na: 3",
    "a key twice below": "x:\n- {a: 1, a: 2}",
    "a list as key": "? [a]\n: 1",
    "two documents": "a: 1\n---\nb: 2",
    "a list": "- 1",
    "a word": "hello",
    "nothing": "",
    "no YAML": "a: [1,",
    "a tab": "a:\n\t- 1",
    "NUL": "a: \0",
    "a long number": "a: " + "9" * 5_000,
    "a long number of sixties": "a: " + "1:" * 100_000 + "1",
    "deep": "[" * 30 + "]" * 30,
    "very deep": "a: " + "[" * 100_000,
    "many": "a: [" + "1," * (MAX_THINGS + 10) + "]",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_a_configuration_never_needs_is_refused_at_once(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(InvalidRequest) as caught:
        parse(text.encode())
    assert time.perf_counter() - began < 2
    assert len(caught.value.message) < 300
    assert "yaml" not in caught.value.message


def test_the_line_of_a_fault_is_told() -> None:
    for text in ("a: 1\nb: [\n", "a: 1\nb: &x 2", "a: 1\na: 2"):
        with pytest.raises(InvalidRequest, match=r"[Ll]ine [23]"):
            parse(text.encode())


def test_bytes_that_are_no_text_are_refused_and_a_mark_of_order_passes() -> None:
    with pytest.raises(InvalidRequest, match="UTF-8"):
        parse(b"a: \xff")
    assert parse(b"\xef\xbb\xbfa: 1") == {"a": 1}


def test_the_largest_file_is_read_in_time() -> None:
    row = "- {name: someone, rpm: 5, tpm: null, budget: {amount: 1.5, period: day}}\n"
    text = "users:\n" + row * min(MAX_THINGS // 20, MAX_BYTES // len(row))
    began = time.perf_counter()
    assert parse(text.encode())["users"][0]["rpm"] == 5
    assert time.perf_counter() - began < 5
