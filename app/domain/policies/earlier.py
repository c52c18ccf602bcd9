"""Turns that were said before, with their files before their words. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from app.domain.chat import FilePart, ImagePart, Message, Part, TextPart, VideoPart
from app.domain.ledger import StoredMessage

#: An answer that was a picture and no word: providers refuse an empty one.
DRAWN: Final = "(a picture)"
GONE: Final = "[a file that is gone]"
UNSEEN: Final = "[a picture, which you cannot see]"


def turns(window: Sequence[StoredMessage]) -> tuple[tuple[Message, ...], tuple[FilePart, ...]]:
    """The window's turns, and the pictures of its last answer.

    A picture that was drawn stands before the question after it: providers take none in an answer.
    """
    said: list[Message] = []
    owed: tuple[FilePart, ...] = ()
    for stored in window:
        words = stored.content or DRAWN
        if stored.role == "assistant":
            owed += tuple(FilePart("", id=file_id, of="drawn") for file_id in stored.images or ())
            said.append(Message("assistant", words))
            continue
        files = (*owed, *(FilePart("", id=file_id, of="earlier") for file_id in stored.attachments or ()))
        said.append(before_words(files, Message(stored.role, words)))
        owed = ()
    return tuple(said), owed


def asked_again(question: str, file_ids: Sequence[str]) -> Message:
    """A question that was asked before, with its files."""
    return before_words([FilePart("attachments", id=one, of="again") for one in file_ids], Message("user", question))


def before_first_question(files: Sequence[FilePart], messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The turns, of which the first that is a question has these files too."""
    for index, message in enumerate(messages if files else ()):
        if message.role == "user":
            return (*messages[:index], before_words(files, message), *messages[index + 1 :])
    return messages


def before_words(files: Sequence[Part], message: Message) -> Message:
    """The message with files before its words."""
    if not files:
        return message
    said = message.content
    return replace(message, content=(*files, *(said if isinstance(said, tuple) else (TextPart(said or ""),))))


def shows_pictures(message: Message) -> bool:
    """Whether a model must see to be asked this."""
    return isinstance(message.content, tuple) and any(
        isinstance(part, VideoPart) or (isinstance(part, ImagePart) and part.instead is None)
        for part in message.content
    )


def for_all(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The prompt in a form that models which do not see can be asked too."""
    return _each(shown_to(messages, sees=True), _spared)


def shown_to(messages: tuple[Message, ...], *, sees: bool, videos: bool = False) -> tuple[Message, ...]:
    """The prompt for one model: of a video its frames unless it takes videos, and what it cannot see it is told of.

    The same object where nothing changes.
    """

    def differs(part: Part) -> bool:
        if isinstance(part, VideoPart):
            return not videos
        return isinstance(part, ImagePart) and part.instead is not None and not sees

    def shown(part: Part) -> tuple[Part, ...]:
        if not differs(part):
            return (part,)
        if isinstance(part, VideoPart):
            return part.frames
        return (TextPart(part.instead or UNSEEN),) if isinstance(part, ImagePart) else (part,)

    if not any(type(message.content) is tuple and any(map(differs, message.content)) for message in messages):
        return messages
    return _each(messages, shown)


def _each(messages: tuple[Message, ...], change: Callable[[Part], tuple[Part, ...]]) -> tuple[Message, ...]:
    """The turns with each part as it is changed; a turn of words alone is one text, since not all providers take
    parts."""
    changed = []
    for message in messages:
        content = message.content
        if isinstance(content, tuple):
            parts = tuple(new for part in content for new in change(part))
            if parts != content:
                message = replace(message, content=_one_text(parts))
        changed.append(message)
    return tuple(changed)


def _one_text(parts: tuple[Part, ...]) -> str | tuple[Part, ...]:
    if all(isinstance(part, TextPart) for part in parts):
        return "\n\n".join(part.text for part in parts if isinstance(part, TextPart))
    return parts


def _spared(part: Part) -> tuple[Part, ...]:
    return (replace(part, instead=UNSEEN) if isinstance(part, ImagePart) and part.instead is None else part,)
