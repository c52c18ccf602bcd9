"""What was drawn, kept as files of the caller's before the reply tells of it."""

from __future__ import annotations

import logging
from typing import Protocol

from app.domain.caller import Caller
from app.domain.errors import DomainError
from app.domain.files import FileOrigin, StoredFile
from app.services.chat.run import ChatRun

log = logging.getLogger(__name__)

NAME_LENGTH = 60
LEAST_BYTES = 4_096
"""Of a picture: whoever has not even so many left is told before it is drawn."""


class Files(Protocol):
    """Where files of users are kept, as `services.files` has it."""

    def keep(self, caller: Caller, name: str | None, content: bytes, *, origin: FileOrigin) -> StoredFile: ...

    def delete(self, caller: Caller, name_or_id: str, *, by_name: bool) -> StoredFile: ...

    def expect(self, caller: Caller, size: int) -> None: ...


class Album:
    def __init__(self, files: Files) -> None:
        self._files = files

    def check(self, chat: ChatRun) -> None:
        """Raises TooLarge where no picture would find room: before anybody is paid for one."""
        caller = chat.request.caller
        if _is_kept(chat) and not caller.is_guest:
            self._files.expect(caller, LEAST_BYTES)

    def keep(self, chat: ChatRun) -> None:
        """Make files of what was drawn, their ids into `chat.images`. Raises as `FileService.keep`."""
        if not _is_kept(chat):
            return
        name = " ".join(chat.question.split())[:NAME_LENGTH] or "picture"
        for picture in chat.transcript.pictures:
            ending = picture.content_type.partition("/")[2]
            file = self._files.keep(chat.request.caller, f"{name}.{ending}", picture.data, origin="picture")
            chat.images.append(file.id)

    def undo(self, chat: ChatRun) -> None:
        """The chat did not end well after all: nobody was told of these files."""
        while chat.images:
            try:
                self._files.delete(chat.request.caller, chat.images.pop(), by_name=False)
            except DomainError as fault:
                log.warning("a picture that nobody was told of stays: %s", fault.message)


def _is_kept(chat: ChatRun) -> bool:
    return chat.plan.work == "picture" and not chat.request.wishes.as_bytes
