"""The name under which a file is shown. It is never a path and never a key."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MOST_BYTES: Final = 255
_MOST_ENDING = 32
_FALLBACK = "file"
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
_FORBIDDEN = frozenset('<>:"|?*')
#: Format characters that are part of a word or an emoji; all others (bidi overrides among them) only deceive.
_JOINERS = frozenset("\u200c\u200d")


def shown_name(given: str | None) -> str:
    """What a sender called a file, as it can be shown and saved on any system: 1 to 255 bytes of UTF-8.

    Without folders, control and format characters, leading and trailing dots; no device of Windows; `file` where
    nothing is left.
    """
    last = (given or "").replace("\\", "/").rpartition("/")[2]
    plain = "".join(map(_plain, unicodedata.normalize("NFC", last)))
    name = " ".join(plain.split()).strip(". ")
    if not name:
        return _FALLBACK
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    return _cut(name)


def _plain(char: str) -> str:
    if char in _FORBIDDEN:
        return "_"
    kind = unicodedata.category(char)
    if kind in ("Cc", "Zl", "Zp"):
        return " "
    return "" if kind in ("Cf", "Cs", "Cn", "Co") and char not in _JOINERS else char


def _cut(name: str) -> str:
    """At most 255 bytes, cut before the ending."""
    if len(name.encode()) <= MOST_BYTES:
        return name
    stem, dot, ending = name.rpartition(".")
    if not stem or len(ending.encode()) > _MOST_ENDING:
        stem, dot, ending = name, "", ""
    room = MOST_BYTES - len((dot + ending).encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + dot + ending
