"""Turns that were said before, with their files before their words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from app.domain.chat import FilePart, ImagePart, Message, Part, TextPart
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
        isinstance(part, ImagePart) and part.instead is None for part in message.content
    )


def for_all(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The prompt in a form that models which do not see can be asked too."""
    return tuple(
        replace(message, content=tuple(_for_all(part) for part in message.content))
        if isinstance(message.content, tuple)
        else message
        for message in messages
    )


def _for_all(part: Part) -> Part:
    return replace(part, instead=UNSEEN) if isinstance(part, ImagePart) and part.instead is None else part


def shown_to(messages: tuple[Message, ...], *, sees: bool) -> tuple[Message, ...]:
    """The prompt for one model: what it cannot see it is told of. The same object where nothing changes."""
    if sees or not any(_has_spare(message) for message in messages):
        return messages
    return tuple(
        replace(message, content=tuple(_told(part) for part in message.content))
        if isinstance(message.content, tuple) and _has_spare(message)
        else message
        for message in messages
    )


def _has_spare(message: Message) -> bool:
    return type(message.content) is tuple and any(
        isinstance(part, ImagePart) and part.instead is not None for part in message.content
    )


def _told(part: Part) -> Part:
    return TextPart(part.instead) if isinstance(part, ImagePart) and part.instead is not None else part
