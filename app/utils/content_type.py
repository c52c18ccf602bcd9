"""What a file is, by what it holds. Its name only chooses among the kinds of plain text."""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path
from typing import Final

HEAD: Final = 64 * 1024
"""Bytes from a file's beginning that decide."""

_OFFICE = "application/vnd.openxmlformats-officedocument."
#: As `filetype` has it, and as we serve it. What is not here is unknown: archives, programs, fonts.
_KNOWN: Final = {
    "image/jpeg": "image/jpeg",
    "image/png": "image/png",
    "image/apng": "image/png",
    "image/gif": "image/gif",
    "image/bmp": "image/bmp",
    "image/tiff": "image/tiff",
    "image/webp": "image/webp",
    "image/avif": "image/avif",
    "video/mp4": "video/mp4",
    "video/x-m4v": "video/mp4",
    "video/quicktime": "video/quicktime",
    "video/x-msvideo": "video/x-msvideo",
    "video/x-ms-wmv": "video/x-ms-wmv",
    "video/x-flv": "video/x-flv",
    "video/x-matroska": "video/x-matroska",
    "video/webm": "video/webm",
    "video/mpeg": "video/mpeg",
    "audio/mpeg": "audio/mpeg",
    "audio/mp4": "audio/mp4",
    "audio/m4a": "audio/mp4",
    "audio/ogg": "audio/ogg",
    "audio/x-flac": "audio/flac",
    "audio/x-wav": "audio/wav",
    "audio/aac": "audio/aac",
    "audio/x-aiff": "audio/aiff",
    "audio/amr": "audio/amr",
    "application/pdf": "application/pdf",
    f"{_OFFICE}wordprocessingml.document": f"{_OFFICE}wordprocessingml.document",
    f"{_OFFICE}spreadsheetml.sheet": f"{_OFFICE}spreadsheetml.sheet",
    f"{_OFFICE}presentationml.presentation": f"{_OFFICE}presentationml.presentation",
}
_TEXTS: Final = {
    "md": "text/markdown",
    "markdown": "text/markdown",
    "csv": "text/csv",
    "tsv": "text/tab-separated-values",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "ndjson": "application/jsonl",
}
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
# Possessive throughout: a page of comments is looked at once.
_MARKUP = re.compile(
    r"\s*+(?>(?:<\?xml[^>]*+>|<!--(?:(?!-->).)*+-->|<!doctype\s++(?P<doctype>\w++)(?>\[[^\]]*+\]|[^>\[])*+>)\s*+)*+"
    r"<(?P<tag>[a-z]++)",
    re.S,
)
_HTML = frozenset({"head", "body", "script", "style", "title", "iframe", "form", "table", "div", "p", "a", "h"})


def type_of(path: Path, name: str = "") -> str | None:
    """The type of the file there; None for one that is of no kind we know. It reads the file's first 64 KiB.

    name: the name it came with. Of what is text already it says which.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
        return type_of_head(head, name, whole=os.fstat(file.fileno()).st_size == len(head))


def type_of_head(head: bytes, name: str = "", *, whole: bool = False) -> str | None:
    """The same from the first bytes. whole: nothing comes after them."""
    if head.startswith(b"%PDF-"):
        return "application/pdf"
    text = _text(head, whole)
    if text is not None:
        return _text_type(text, name)
    import filetype  # at first use: nobody who only chats pays for it

    found = filetype.guess(head)
    return None if found is None else _KNOWN.get(found.mime)


def decoder_of(head: bytes) -> str:
    """The codec of a text by its byte order mark; UTF-8 where it has none."""
    return "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def _text(head: bytes, whole: bool) -> str | None:
    """The head as text; None where it is none: not UTF-8 (UTF-16 with its mark), or with control characters."""
    codec = decoder_of(head)
    if codec != "utf-16" and _CONTROLS.search(head):
        return None
    try:
        # The end may stand in the middle of a character.
        text = codecs.getincrementaldecoder(codec)().decode(head, whole)
    except UnicodeDecodeError:
        return None
    return None if codec == "utf-16" and _CONTROLS.search(text.encode("utf-8", "replace")) else text


def _text_type(text: str, name: str) -> str:
    ending = name.rpartition(".")[2].lower()
    found = _MARKUP.match(text[:4096].lower())
    if found is not None:
        doctype, tag = found["doctype"], found["tag"]
        if "svg" in (doctype, tag):
            return "image/svg+xml"
        # Markdown may begin with a <div> as well.
        if "html" in (doctype, tag) or (tag in _HTML and ending not in _TEXTS):
            return "text/html"
    return _TEXTS.get(ending, "text/plain")
