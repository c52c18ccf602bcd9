"""The text of documents, page by page or section by section.

A child's module (`app.utils.children`). What is hidden from a reader (scripts, comments, invisible characters) is left
out: a model shall see what a person sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from app.domain.policies.quoting import HIDDEN
from app.jobs import markup, office, pdf
from app.jobs.child import Answer, Job, Refused, serve
from app.jobs.pages import Page, Reading
from app.utils.content_type import decoder_of

_OFFICE = "application/vnd.openxmlformats-officedocument."


def load() -> Callable[[Job], Answer]:
    return read


def read(job: Job) -> Answer:
    """job: `path`, `content_type`, `max_chars`, `scans` (pages without text that may be drawn for OCR).

    The answer's `pages` have `label` (null where there is only one), `text` and `scan` (a picture's file in the
    folder); `notices` say what was left out.
    """
    reading = Reading(most=job["max_chars"], scans=job.get("scans", 0))
    pages = _pages(job["path"], job["content_type"], reading)
    told = []
    left = reading.most
    for page in pages:
        text = HIDDEN.sub("", page.text.replace("\r\n", "\n").replace("\r", "\n")).strip()
        if len(text) > left:
            text, reading.cut = text[:left], True
        left -= len(text)
        if text or page.scan:
            told.append({"label": page.label, "number": page.number, "text": text, "scan": page.scan})
        if left <= 0:
            reading.cut = reading.cut or next(pages, None) is not None
            break
    if not told:
        raise Refused("unreadable", "; ".join(["there is no text in the document", *reading.notices]))
    if reading.cut:
        reading.notices.append(f"only its first {reading.most} characters were read")
    return {"pages": told, "notices": reading.notices, "cut": reading.cut}


def _pages(path: str, content_type: str, reading: Reading) -> Iterator[Page]:
    if content_type == "application/pdf":
        return pdf.pages(path, reading)
    if content_type.startswith(_OFFICE):
        return office.pages(path, reading)
    if content_type == "text/html":
        return iter(markup.sections(_text(path, reading)))
    if content_type.startswith("text/") or content_type in ("application/json", "application/jsonl"):
        return iter((Page(_text(path, reading)),))
    raise Refused("unsupported", "no text can be read from this kind of file")


def _text(path: str, reading: Reading) -> str:
    """As much of it as can count: a character is four bytes at most, markup some more."""
    longest = 8 * reading.most + 1_000_000
    with open(path, "rb") as file:
        raw = file.read(longest + 1)
    if len(raw) > longest:
        raw, reading.cut = raw[:longest], True
    return raw.decode(decoder_of(raw[:4]), "ignore" if reading.cut else "replace")


if __name__ == "__main__":
    serve(load)
