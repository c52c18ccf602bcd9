"""The page that lists Redis's keys is true."""

from __future__ import annotations

import re
from pathlib import Path

import app.stores

FOLDER = Path(app.stores.__file__).parent


def test_every_key_that_the_code_names_stands_in_the_list() -> None:
    listed = set(re.findall(r"^ {4}v1:([a-z]+)", app.stores.__doc__ or "", re.MULTILINE))
    used = {
        name
        for file in FOLDER.glob("*.py")
        if file.name != "__init__.py"
        for name in re.findall(r"[\"']v1:([a-z]+)", file.read_text("utf-8"))
    }
    assert used
    assert used == listed


def test_scripts_leave_texts_alone_and_keep_to_what_the_embedded_server_knows() -> None:
    """cjson makes `[]` of an empty table there; sha1hex, bit, struct and cmsgpack are missing."""
    for file in FOLDER.glob("*.lua"):
        assert not re.search(r"\b(cjson|cmsgpack|struct|bit|redis\.sha1hex)\b[.(]", file.read_text("utf-8")), file


def test_functions_of_scripts_are_local() -> None:
    """A global is refused by Redis, and by the embedded server for every later script as well."""
    for file in FOLDER.glob("*.lua"):
        assert not re.search(r"^\s*function\b", file.read_text("utf-8"), re.MULTILINE), file
