"""No cell of a CSV file is run by the program that opens it."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.utils.spreadsheets import csv_row


def read(row: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(row.decode(), newline="")))


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\n=1", "\r=1", " =1", "＝1+1", "  @x", "-"]
)
def test_fault_11_07_a_cell_that_would_be_a_formula_is_quoted(text: str) -> None:
    ((cell,),) = read(csv_row([text]))
    assert cell == "'" + text.replace("\r", "\n")
    assert csv_row([text]).startswith(b"\"'")


def test_numbers_stay_numbers_and_nothing_is_an_empty_cell() -> None:
    assert read(csv_row([-5, 12, None, "a"])) == [["-5", "12", "", "a"]]


def test_a_text_of_several_lines_with_quotes_is_one_cell() -> None:
    text = 'one, "two"\nthree; four'
    assert read(csv_row([text, "x"])) == [[text, "x"]]


@pytest.mark.parametrize("text", ["\x1b[2J", "a\x00b", "x\u2028y", "\u202egpj.exe", "\x7f\x9b", "a\x0bb", "\ud800"])
def test_fault_11_07_what_acts_on_a_terminal_is_shown(text: str) -> None:
    row = csv_row([text]).decode()
    assert not any(ord(c) < 32 or 0x7F <= ord(c) <= 0x9F or c in "\u2028\u202e" for c in row.removesuffix("\r\n"))
    assert "\\" in row


@given(st.lists(st.one_of(st.none(), st.integers(), st.text()), min_size=1, max_size=6))
def test_any_row_is_read_back_as_one_row_of_as_many_cells(cells: list[str | int | None]) -> None:
    (row,) = read(csv_row(cells))
    assert len(row) == len(cells)
    for told, cell in zip(cells, row, strict=True):
        if isinstance(told, str):
            assert not cell.lstrip().startswith(("=", "+", "-", "@"))
