"""Text of files in a prompt: whole where there is room for it, else the parts that have to do with the question."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Final

from app.domain.chat import FilePart, Part, TextPart
from app.domain.errors import Unavailable
from app.domain.events import Notice, Silence
from app.domain.media import TextPage
from app.domain.policies.pieces import MOST_TOKENS as PIECE_TOKENS
from app.domain.policies.quoting import HIDDEN, cut_to, plain_name, quoted_file
from app.domain.policies.tokens import BYTES_A_TOKEN, size_of
from app.domain.wishes import Source
from app.services.chat.enrichment import silences
from app.services.chat.run import ChatRun
from app.services.media.passages import Passage, Passages

MOST_PICTURES = 64
"""Of one chat, frames included."""
FOUND_TOKENS: Final = 12_000
"""Of the parts of one file that have to do with the question; more would cost more than it tells."""
GAP: Final = "[...]"
IN_PART: Final = (
    "The file below is too long to be given whole. These are its beginning and the parts of it that seem to have to do "
    f"with the question, in their order; {GAP} stands for what is left out."
)
TABLES: Final = frozenset({"text/csv", "text/tab-separated-values"})

#: Silences while a file is looked at, and then what stands for it in the prompt.
Waiting = Generator[Notice | Silence, None, tuple[Part, ...]]


@dataclass(slots=True)
class Room:
    """What may still come into one prompt: bytes of text, and pictures."""

    text_bytes: int
    pictures: int = MOST_PICTURES
    notices: list[Notice] = field(default_factory=list)

    def tell(self, message: str) -> None:
        self.notices.append(Notice("attachment", message))


class Documents:
    """passages: None where nothing is looked for: of what is too long the beginning is given."""

    def __init__(self, passages: Passages | None) -> None:
        self._passages = passages

    def quoted(self, given: FilePart, pages: Sequence[TextPage], chat: ChatRun, room: Room) -> Waiting:
        """The file's text as a part of the prompt; sources are added for what was looked for."""
        text = "\n\n".join(f"[{page.label}]\n{page.text}" if page.label else page.text for page in pages)
        whole = size_of(text)
        before = ""
        if whole > room.text_bytes:
            found = yield from self._found(given, pages, chat, room)
            text, before = (_joined(found), f"{IN_PART}\n") if found else (_beginning(text, room), "")
            share = max(1, 100 * size_of(text) // whole)
            told = "the parts of it that have to do with the question" if found else "its beginning"
            room.tell(f"{plain_name(given.name)} is too long: only {told} ({share} %) went to the model")
            chat.sources += _sources(given, found)
        room.text_bytes = max(0, room.text_bytes - size_of(text))
        return (TextPart(before + quoted_file(given.name, given.content_type or "text/plain", text)),)

    def _found(
        self, given: FilePart, pages: Sequence[TextPage], chat: ChatRun, room: Room
    ) -> Generator[Silence, None, tuple[Passage, ...]]:
        passages, caller = self._passages, chat.request.caller
        budget = min(FOUND_TOKENS, room.text_bytes // BYTES_A_TOKEN)
        if passages is None or budget < PIECE_TOKENS:
            return ()
        owner = None if caller.is_guest else caller.user_id
        rows = given.content_type in TABLES
        try:
            return (yield from silences(lambda: passages.of(pages, chat.question, budget, owner=owner, rows=rows)))
        except Unavailable as away:
            room.tell(f"{plain_name(given.name)} could not be searched: {away.message}")
            return ()


def _beginning(text: str, room: Room) -> str:
    return cut_to(text, room.text_bytes) + "\n[the rest is left out]"


def _joined(found: Sequence[Passage]) -> str:
    """As one text, each page and what a passage stands under told once."""
    lines: list[str] = []
    page: TextPage | None = None
    lead = ""
    for passage in found:
        if passage.page is not page:
            page, lead = passage.page, ""
            lines += [f"[{page.label}]"] if page.label else []
        if passage.lead and passage.lead != lead:
            lead = passage.lead
            lines.append(lead)
        lines += [GAP, passage.text] if passage.skips else [passage.text]
    if found and found[-1].more:
        lines.append(GAP)
    return "\n".join(lines)


def _sources(given: FilePart, found: Sequence[Passage]) -> list[Source]:
    title = plain_name(given.name)
    return [
        Source(title, file=given.id, page=passage.page.number, text=HIDDEN.sub("", text))
        for passage in found
        for text in passage.found
    ]
