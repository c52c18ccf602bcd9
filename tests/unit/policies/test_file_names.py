"""Names under which files are shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.policies.file_names import shown_name


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("notes.md", "notes.md"),
        ("../x", "x"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\cat.png", "cat.png"),
        ("..", "file"),
        ("", "file"),
        (None, "file"),
        ("/", "file"),
        ("...", "file"),
        ("a\0b.txt", "a b.txt"),
        ("a\r\nSet-Cookie: x.txt", "a Set-Cookie_ x.txt"),
        ("a\u202egpj.exe", "agpj.exe"),
        ("a\u200bb\ufeff.txt", "ab.txt"),
        ("CON", "_CON"),
        ("nul.png", "_nul.png"),
        ("COM1.tar.gz", "_COM1.tar.gz"),
        ("console.log", "console.log"),
        ("x.", "x"),
        ("x. . ", "x"),
        (".htaccess", "htaccess"),
        ("файл.txt", "файл.txt"),
        ("😀👩\u200d👧.png", "😀👩\u200d👧.png"),
        ("e\u0301.txt", "é.txt"),
        ('<script>"x"|*?.html', "_script__x____.html"),
        ("a\ud800b.txt", "ab.txt"),
        ("x" * 300 + ".png", "x" * 251 + ".png"),
        ("é" * 200 + ".png", "é" * 125 + ".png"),
        ("x." + "y" * 300, ("x." + "y" * 300)[:255]),
    ],
)
def test_fault_7_11_a_name_is_shown_cleaned(given_name: str | None, shown: str) -> None:
    assert shown_name(given_name) == shown


@given(st.text(max_size=400))
def test_fault_7_11_any_name_becomes_one_that_any_system_takes(text: str) -> None:
    name = shown_name(text)
    assert 1 <= len(name.encode()) <= 255
    assert not set(name) & set('/\\:*?"<>|\0\r\n')
    assert name.strip(". ") == name
    assert shown_name(name) == name
