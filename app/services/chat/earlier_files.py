"""Files of a conversation's earlier turns: which of them come into the next prompt once more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from app.domain.chat import FilePart, ImagePart, Message, Part, TextPart
from app.domain.files import StoredFile
from app.domain.policies.earlier import GONE, UNSEEN
from app.domain.policies.quoting import plain_name
from app.domain.policies.tokens import BYTES_A_TOKEN
from app.services.chat.documents import Room
from app.services.chat.run import ChatRun
from app.services.media.kinds import is_seen

MOST_FILES: Final = 8
MOST_PICTURES: Final = 16
"""Of all earlier turns together, frames included."""
LEAST_TEXT: Final = 1_000 * BYTES_A_TOKEN
"""Bytes of text under which a document is left out: its first lines alone help nobody."""
PAST: Final = ("earlier", "drawn")


class EarlierFiles:
    """found: the caller's files among those that the prompt names. room: what this turn's own files left."""

    def __init__(self, chat: ChatRun, found: Mapping[str, StoredFile], room: Room) -> None:
        self._found = found
        self._draws = chat.plan.work == "picture"
        self._seen = self._draws or any(candidate.model.may_see for candidate in chat.plan.candidates)
        self._left = MOST_FILES
        self.room = Room(room.text_bytes, min(room.pictures, MOST_PICTURES))
        self.left_out = 0

    def taken(self, part: FilePart) -> FilePart | TextPart:
        """The part with what is known of its file, or what stands for one that is not given again."""
        file = self._found.get(part.id or "")
        if file is None:
            return TextPart(GONE)
        if part.of == "drawn" and not self._seen:
            return TextPart(f'[a picture that was drawn, "{plain_name(file.name)}"]')
        pictures = is_seen(file.content_type)
        full = self.room.pictures <= 0 if pictures else self._draws or self.room.text_bytes < LEAST_TEXT
        if self._left <= 0 or full:
            self.left_out += 1
            return unread(file.name, "left out here")
        self._left -= 1
        return replace(part, name=file.name, content_type=file.content_type)

    def placed(self, part: FilePart, shown: tuple[Part, ...]) -> tuple[Part, ...]:
        """What stands for the file; no model is passed over for a picture that was drawn, or that a drawing begins
        from."""
        if part.of == "drawn":
            pictures = tuple(one for one in shown if isinstance(one, ImagePart))
            shown = (TextPart(f'In the answer before this a picture was drawn, "{plain_name(part.name)}":'), *pictures)
        if part.of != "drawn" and not self._draws:
            return shown
        return tuple(replace(one, instead=UNSEEN) if isinstance(one, ImagePart) else one for one in shown)


def unread(name: str, why: str) -> TextPart:
    return TextPart(f'[the file "{plain_name(name)}", {why}]')


def in_turn(messages: tuple[Message, ...]) -> Iterator[tuple[int, int, Part]]:
    """Each part with its place: this turn's in their order, then those of earlier turns, the newest turn first."""
    places = [
        (at, index, part)
        for at, message in enumerate(messages)
        if isinstance(message.content, tuple)
        for index, part in enumerate(message.content)
    ]
    yield from (place for place in places if not is_past(place[2]))
    yield from sorted((place for place in places if is_past(place[2])), key=lambda place: -place[0])


def is_past(part: Part) -> bool:
    return isinstance(part, FilePart) and part.of in PAST


def past_ids(messages: Iterable[Message]) -> list[str]:
    return [
        part.id
        for message in messages
        if isinstance(message.content, tuple)
        for part in message.content
        if isinstance(part, FilePart) and part.of in PAST and part.id is not None
    ]
