"""HTML as a reader sees it: its text, without scripts, comments and what is hidden, in sections by its headings."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from app.jobs.pages import Page

_UNSEEN = frozenset(
    ["script", "style", "template", "noscript", "iframe", "object", "svg", "canvas", "audio", "video", "select", "head"]
)
_BLOCKS = frozenset(
    ["p", "div", "section", "article", "main", "ul", "ol", "table", "tr", "blockquote", "pre", "dl", "dt", "dd", "form"]
) | frozenset(["header", "footer", "nav", "aside", "figure", "figcaption", "fieldset", "hr", "address", "details"])
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"]
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|opacity\s*:\s*0(?:\.0*)?\s*(?:;|$|!)"
    r"|font-size\s*:\s*0(?:\.0*)?[a-z%]*\s*(?:;|$|!)"
)
_SPACES = re.compile(r"[ \t\n\r\f\u00a0]+")
MAX_OPEN = 2_000
"""Elements open at once; those beyond are text."""


def sections(html: str) -> list[Page]:
    """One page a section that has a heading of level 1 or 2; the title belongs to the first."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    reader.end_section(None)
    return reader.pages


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pages: list[Page] = []
        self._label: str | None = None
        self._lines: list[str] = []
        self._line: list[str] = []
        self._open: list[tuple[str, bool]] = []
        """Elements that are open, each with whether it and all in it is hidden."""
        self._title = False

    def parse_marked_section(self, i: int, report: int = 1) -> int:
        """`<![…` is a comment up to the next `>`, or the end, to browsers; the library raises at some."""
        end = self.rawdata.find(">", i + 3)
        return len(self.rawdata) if end < 0 else end + 1

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._title = tag == "title"
        if tag in _BLOCKS or tag in _HEADINGS or tag in ("br", "li"):
            self._break()
        if tag == "li":
            self._line.append("- ")
        elif tag in _HEADINGS:
            self._line.append("#" * _HEADINGS[tag] + " ")
        elif tag in ("td", "th") and self._line:
            self._line.append(" | ")
        elif tag == "img" and not self._hidden:
            alt = dict(attrs).get("alt")
            if alt:
                self._line.append(f"[picture: {alt}]")
        if tag not in _VOID and len(self._open) < MAX_OPEN:
            self._open.append((tag, self._hidden or tag in _UNSEEN or _is_hidden(dict(attrs))))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        self._title = False
        heading = _HEADINGS.get(tag, 9)
        if heading <= 2:
            line = _SPACES.sub(" ", "".join(self._line)).strip("# \n")
            if line:
                self._line = []
                self.end_section(line)
                self._line.append("#" * heading + " " + line)
        if tag in _BLOCKS or tag in _HEADINGS or tag == "li":
            self._break()
        for index in range(len(self._open) - 1, max(-1, len(self._open) - 64), -1):
            if self._open[index][0] == tag:
                del self._open[index:]
                return

    def handle_data(self, data: str) -> None:
        if self._title and data.strip():
            self._lines.append(_SPACES.sub(" ", data).strip())
        elif not self._hidden:
            self._line.append(data)

    @property
    def _hidden(self) -> bool:
        return bool(self._open) and self._open[-1][1]

    def _break(self) -> None:
        line = _SPACES.sub(" ", "".join(self._line)).strip()
        if line.strip("#- "):
            self._lines.append(line)
        self._line = []

    def end_section(self, heading: str | None) -> None:
        """What was read so far is a page; the next is called by this heading."""
        self._break()
        text = "\n".join(self._lines)
        if text:
            self.pages.append(Page(text, self._label))
        self._lines = []
        self._label = f"section {heading[:120]!r}" if heading else None


def _is_hidden(attrs: dict[str, str | None]) -> bool:
    return (
        "hidden" in attrs
        or (attrs.get("aria-hidden") or "").strip().lower() == "true"
        or (attrs.get("type") or "").strip().lower() == "hidden"
        or _HIDDEN.search((attrs.get("style") or "").lower()) is not None
    )
