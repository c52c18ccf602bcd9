"""What goes out before the body, and how a name may stand in it."""

from __future__ import annotations

import pytest

from app.routes.streaming import header_text


@pytest.mark.parametrize("name", ["llama-3.1-8b-instant", "maker/model:free", "a b", "x" * 256])
def test_an_ordinary_name_stands_as_it_is(name: str) -> None:
    assert header_text(name) == name


@pytest.mark.parametrize(
    "name",
    ["a\r\nX: 1", "модель", "x" * 10_000, "я" * 10_000, "\x00", "\x7f", "\x85", "\u2028", "😀", "\ud800", "a\tb"],
)
def test_fault_3_12_any_name_fits_into_a_header(name: str) -> None:
    shown = header_text(name)
    assert shown.isascii()
    assert shown.isprintable()
    assert 0 < len(shown) <= 256


def test_fault_3_12_an_escaped_name_can_be_read_back() -> None:
    assert header_text("модель\r\n").encode().decode("unicode_escape") == "модель\r\n"
