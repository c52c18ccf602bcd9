"""What may be put into a prompt between admission and call: pictures, files, memories, search results."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Final, Protocol, TypeVar, cast

from app.domain.events import Notice, Silence
from app.services.chat.run import ChatRun
from app.utils.beats import beats
from app.utils.cancel import Cancel

T = TypeVar("T")

HEARTBEAT: Final = 10.0


class Enrichment(Protocol):
    """A room of the house that adds to a chat's prompt what its request asks for."""

    def wanted(self, chat: ChatRun) -> bool:
        """Whether there is anything to do; cheap, since each chat asks it."""

    def enrich(self, chat: ChatRun, cancel: Cancel) -> Iterator[Notice | Silence]:
        """Change the prompt by `chat.set_prompt` and add to `chat.sources`; stop where `cancel.reason` is set.

        A Notice tells what could not be had while the chat goes on; a DomainError ends the chat.
        """


def silences(work: Callable[[], T]) -> Generator[Silence, None, T]:
    """What the work returns; a Silence each time a heartbeat is due meanwhile."""
    waiting = beats(work, HEARTBEAT)
    with closing(waiting):
        while True:
            try:
                next(waiting)
            except StopIteration as done:
                return cast("T", done.value)
            yield Silence()
