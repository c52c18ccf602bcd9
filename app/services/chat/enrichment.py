"""What may be put into a prompt between admission and call: pictures, files, memories, search results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from app.domain.events import Notice, Silence
from app.services.chat.run import ChatRun
from app.utils.cancel import Cancel


class Enrichment(Protocol):
    """A room of the house that adds to a chat's prompt what its request asks for."""

    def wanted(self, chat: ChatRun) -> bool:
        """Whether there is anything to do; cheap, since each chat asks it."""

    def enrich(self, chat: ChatRun, cancel: Cancel) -> Iterator[Notice | Silence]:
        """Change the prompt by `chat.set_prompt` and add to `chat.sources`; stop where `cancel.reason` is set.

        A Notice tells what could not be had while the chat goes on; a DomainError ends the chat.
        """
