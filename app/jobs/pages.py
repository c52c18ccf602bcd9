"""What the readers of documents share."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Page:
    """A page, slide, sheet or section. label: what it is called to a reader; number: of a page or slide, from 1.
    scan: a picture of it, a file in the job's folder, where it has no text of its own."""

    text: str
    label: str | None = None
    number: int | None = None
    scan: str | None = None


@dataclass(slots=True)
class Reading:
    """most: characters that are wanted; scans: pages that may still be drawn; cut: not all was read."""

    most: int
    scans: int = 0
    cut: bool = False
    notices: list[str] = field(default_factory=list)
