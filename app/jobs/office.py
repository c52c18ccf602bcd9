"""Text of Word, Excel and PowerPoint files: zipped XML, of which nothing is believed before it was counted."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from app.jobs.child import Refused
from app.jobs.pages import Page, Reading

if TYPE_CHECKING:
    from docx.document import Document
    from docx.table import Table

MAX_ENTRIES = 2_000
MAX_INFLATED = 200 * 2**20
MAX_XML = 48 * 2**20
"""Bytes of one part that is parsed: a tree of it is ten times as large."""
MAX_ROWS, MAX_COLUMNS = 50_000, 256
MAX_SLIDES = 1_000
_CHUNK = 2**18
_ENTITIES = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.I)


def pages(path: str, reading: Reading) -> Iterator[Page]:
    """Raises Refused for bombs, entities, what is broken and archives of another kind."""
    return _READERS[_checked(path)](path, reading)


def _checked(path: str) -> str:
    """Which kind it is, after all of it was inflated once and counted."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_entries(archive)
            left = MAX_INFLATED
            for entry in archive.infolist():
                left -= _inflated(archive, entry, left)
            names = set(archive.namelist())
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, ValueError) as broken:
        raise Refused("unreadable", "the document is broken or cut off") from broken
    except RuntimeError as locked:  # zipfile's word for an entry with a password
        raise Refused("unreadable", "the document is protected by a password") from locked
    for kind, main in (("word", "word/document.xml"), ("excel", "xl/workbook.xml"), ("slides", "ppt/presentation.xml")):
        if main in names:
            return kind
    raise Refused("unsupported", "no text can be read from this kind of archive")


def _check_entries(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise Refused("too_large", f"the document holds more than {MAX_ENTRIES} parts")
    if sum(entry.file_size for entry in entries) > MAX_INFLATED:
        raise _too_much()
    if any(".." in entry.filename.split("/") or entry.filename.startswith(("/", "\\")) for entry in entries):
        raise Refused("unreadable", "the document names parts outside of itself")
    end = 0
    for entry in sorted(entries, key=lambda one: one.header_offset):
        if entry.header_offset < end:
            raise Refused("unreadable", "the document's parts overlap")
        end = entry.header_offset + entry.compress_size


def _inflated(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, left: int) -> int:
    """How many bytes it really is; XML among them may hold no entities, in whatever encoding."""
    parsed = entry.filename.lower().endswith((".xml", ".rels", ".vml"))
    size, tail = 0, b""
    with archive.open(entry) as part:
        while chunk := part.read(_CHUNK):
            size += len(chunk)
            if size > left:
                raise _too_much()
            if not parsed:
                continue
            if size > MAX_XML:
                raise Refused("too_large", f"a part of the document is larger than {MAX_XML // 2**20} MB")
            text = tail + chunk.replace(b"\0", b"")
            if _ENTITIES.search(text):
                raise Refused("unreadable", "the document declares entities, which are not read here")
            tail = text[-32:]
    return size


def _too_much() -> Refused:
    return Refused("too_large", f"unpacked the document is larger than {MAX_INFLATED // 2**20} MB")


def _word(path: str, reading: Reading) -> Iterator[Page]:
    """A page a chapter: Word keeps no pages."""
    import docx

    lines: list[str] = []
    label: str | None = None
    for style, line in _blocks(docx.Document(path)):
        depth = int(style[8:]) if style.startswith("heading ") and style[8:].isdigit() else 1 if style == "title" else 0
        if depth in (1, 2) and line:
            if lines:
                yield Page("\n".join(lines), label)
            lines, label = [], f"section {line[:120]!r}"
        lines.append(f"{'#' * depth} {line}" if depth else line)
    yield Page("\n".join(lines), label)


def _blocks(document: Document) -> Iterator[tuple[str, str]]:
    from docx.table import Table

    for block in document.iter_inner_content():
        if isinstance(block, Table):
            yield from (("", line) for line in _rows(block))
        else:
            style = block.style.name if block.style is not None else ""
            yield (style or "").lower(), block.text


def _rows(table: Table) -> Iterator[str]:
    for row in table.rows:
        # A merged cell stands in each place that it covers.
        cells = {cell._tc: cell for cell in row.cells}
        yield " | ".join(cell.text.strip() for cell in cells.values())


def _excel(path: str, reading: Reading) -> Iterator[Page]:
    import openpyxl

    with open(path, "rb") as file:  # by its name openpyxl would take it for what its ending says
        book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        left = MAX_ROWS
        for sheet in book.worksheets:
            lines: list[str] = []
            length = 0
            sheet.reset_dimensions()  # what it says of its size need not be so
            for row in sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True):
                left -= 1
                line = _row(row)
                length += len(line) + 1
                if line:
                    lines.append(line)
                if left <= 0 or length > reading.most:
                    reading.cut = True
                    break
            yield Page("\n".join(lines), f"sheet {sheet.title[:120]!r}")
            if left <= 0:
                return


def _row(values: tuple[Any, ...]) -> str:
    cells = ["" if value is None else str(value).replace("\n", " ") for value in values]
    while cells and not cells[-1]:
        cells.pop()
    return " | ".join(cells)


def _slides(path: str, reading: Reading) -> Iterator[Page]:
    import pptx

    for number, slide in enumerate(pptx.Presentation(path).slides, 1):
        if number > MAX_SLIDES:
            reading.cut = True
            return
        lines = [line for shape in slide.shapes for line in _shape(shape, 0)]
        notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
        if notes is not None and notes.text.strip():
            lines.append(f"(notes) {notes.text}")
        yield Page("\n".join(lines), f"slide {number}", number)


def _shape(shape: Any, depth: int) -> Iterator[str]:
    if shape.has_text_frame:
        if shape.text_frame.text.strip():
            yield shape.text_frame.text
    elif getattr(shape, "has_table", False):
        yield from (" | ".join(cell.text for cell in row.cells) for row in shape.table.rows)
    elif hasattr(shape, "shapes") and depth < 16:
        for inner in shape.shapes:
            yield from _shape(inner, depth + 1)


_READERS: dict[str, Callable[[str, Reading], Iterator[Page]]] = {"word": _word, "excel": _excel, "slides": _slides}
