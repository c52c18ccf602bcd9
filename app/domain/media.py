"""What was seen in a picture, a video or a document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

SeenKind = Literal["picture", "video", "document"]


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture fit for a model. at: seconds since the beginning of what it is a frame of, None for a still."""

    data: bytes
    mime: str
    at: float | None = None


@dataclass(frozen=True, slots=True)
class TextPage:
    """Text of a page, slide, sheet or section. label: what a reader calls it, None where there is only one.
    number: of a page or slide, from 1. scanned: read from a picture, so that letters may be wrong."""

    text: str
    label: str | None = None
    number: int | None = None
    scanned: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """pictures: of a video in order of time. notices: what was left out. duration: seconds of a video, as far as it
    was read. cut: there is more text than was asked for."""

    kind: SeenKind
    pictures: tuple[Picture, ...] = ()
    pages: tuple[TextPage, ...] = ()
    notices: tuple[str, ...] = ()
    duration: float | None = None
    cut: bool = False

    @property
    def text(self) -> str:
        return "\n\n".join(page.text for page in self.pages)


def spread(pictures: Sequence[Picture], most: int) -> tuple[Picture, ...]:
    """At most so many of them, evenly from the first to the last."""
    count = len(pictures)
    if count <= most:
        return tuple(pictures)
    if most < 2:
        return tuple(pictures[:most])
    return tuple(pictures[round(i * (count - 1) / (most - 1))] for i in range(most))
