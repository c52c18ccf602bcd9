"""CSV that a spreadsheet may open: no cell of it is run."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

# What a spreadsheet takes for the beginning of a formula, in full width too (OWASP, "CSV injection").
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
# What a terminal or a line reader acts upon, but the LF of a text of several lines.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def csv_row(cells: Iterable[str | int | None]) -> bytes:
    """One record in UTF-8, each cell quoted (RFC 4180); None is an empty one.

    A text that a spreadsheet would run gets a quotation mark before it, as spreadsheets do themselves.
    """
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow([_cell(cell) for cell in cells])
    return written.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: str | int | None) -> str | int:
    if value is None:
        return ""
    if isinstance(value, int):
        return value
    text = value.replace("\r\n", "\n").replace("\r", "\n")
    # White space before a sign does not stop every spreadsheet, and a tab or a line's end is taken for one itself.
    if text[:1] in ("\t", "\n") or text.lstrip().startswith(_FORMULA):
        text = "'" + text
    return text if text.isprintable() else _UNSAFE.sub(_shown, text)


def _shown(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
