"""Text of PDF pages; a page without text is drawn, so that it can be read as a picture."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from app.jobs.child import Refused
from app.jobs.pages import Page, Reading

if TYPE_CHECKING:
    from pypdfium2 import PdfPage

MAX_PAGES = 500
PATIENCE = 7.0
"""Seconds for all pages; those read until then are told."""
SCAN_EDGE = 2000
"""Pixels of a drawn page's longest side: 170 dots an inch of A4."""
FEW = 8
"""Characters up to which a page counts as one without text: a stamp, a page number."""
_IMAGE = 3
"""PDFium's FPDF_PAGEOBJ_IMAGE."""
_PASSWORD = 4
"""PDFium's FPDF_ERR_PASSWORD."""


def pages(path: str, reading: Reading) -> Iterator[Page]:
    """Raises Refused for what is broken or protected by a password."""
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(path)
        count = len(document)
    except pypdfium2.PdfiumError as broken:
        if getattr(broken, "err_code", None) == _PASSWORD or "password" in str(broken).lower():
            raise Refused("unreadable", "the document is protected by a password") from broken
        raise Refused("unreadable", "the document is broken or cut off") from broken
    if count == 0:
        raise Refused("unreadable", "the document has no pages")
    deadline = time.monotonic() + PATIENCE
    unread = 0
    for number in range(1, min(count, MAX_PAGES) + 1):
        if time.monotonic() > deadline:
            reading.notices.append(f"only its first {number - 1} of {count} pages were read")
            break
        try:
            yield _page(document[number - 1], number, reading)
        except pypdfium2.PdfiumError:
            unread += 1
    else:
        if count > MAX_PAGES:
            reading.notices.append(f"only its first {MAX_PAGES} of {count} pages were read")
    if unread:
        reading.notices.append(f"{unread} of its pages are broken")


def _page(page: PdfPage, number: int, reading: Reading) -> Page:
    text = page.get_textpage().get_text_bounded()
    scan = None
    length = len(text.strip())
    if length <= FEW and _draws(page, pictures_only=length > 0):
        if reading.scans > 0:
            reading.scans -= 1
            scan = _drawn(page, number)
        else:
            _told_once(reading, "pages that are pictures without text were left out")
    return Page(text, f"page {number}", number, scan)


def _draws(page: PdfPage, *, pictures_only: bool) -> bool:
    """Whether there is anything on it that may be text to a reader."""
    return next(iter(page.get_objects(filter=(_IMAGE,) if pictures_only else None, max_depth=2)), None) is not None


def _drawn(page: PdfPage, number: int) -> str:
    width, height = page.get_size()
    scale = min(4.0, SCAN_EDGE / max(width, height, 1.0))
    name = f"scan-{number}.png"
    page.render(scale=scale, grayscale=True, may_draw_forms=False).to_pil().save(name, compress_level=1)
    return name


def _told_once(reading: Reading, notice: str) -> None:
    if notice not in reading.notices:
        reading.notices.append(notice)
