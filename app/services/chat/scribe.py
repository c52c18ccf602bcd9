"""Recordings of a chat, written down for a model that does not hear."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace

from app.domain.chat import ChatRequest, FilePart, Message
from app.domain.errors import DomainError, UnsupportedMedia, UpstreamFailed
from app.domain.events import AttemptStarted, Silence
from app.domain.wishes import Wishes
from app.services.catalogue.snapshot import AUTO
from app.services.chat.failover import Failover
from app.services.chat.run import ChatRun
from app.services.chat.selector import LLMSelectorService
from app.services.chat.settlement import asks
from app.utils.cancel import Cancel


class Scribe:
    """Asks those who write transcripts, on the chat's own time, money and receipt."""

    def __init__(self, selector: LLMSelectorService, failover: Failover) -> None:
        self._selector = selector
        self._failover = failover

    def able(self, chat: ChatRun) -> bool:
        """Whether anybody here can be asked by this caller."""
        try:
            self._selector.plan(_asked(chat))
        except DomainError:
            return False
        return True

    def written(self, chat: ChatRun, part: FilePart, cancel: Cancel) -> Generator[Silence, None, str]:
        """What is said in it. Raises UnsupportedMedia where nobody can be asked, else what a chat ends in."""
        try:
            plan = self._selector.plan(_asked(chat))
        except UpstreamFailed as fault:
            message = "no model here hears, and recordings are not written down here"
            raise UnsupportedMedia(message, field=part.field) from fault
        aside = chat.aside(_asked(chat), plan, (Message("user", (part,)),))
        if chat.hold is not None:
            chat.hold.expects(None, work="transcript")
        try:
            with closing(self._failover.call(aside, cancel)) as events:
                for event in events:
                    if type(event) is AttemptStarted:
                        asks(aside, event, aside=True)
                    elif type(event) is Silence:
                        yield event
        except DomainError as fault:
            fault.field = fault.field or part.field
            raise
        finally:
            last = aside.attempts[-1] if aside.attempts else None
            if last is not None and last.error in (None, "cancelled"):
                chat.asides.add(last.n)
            chat.expect_answer()
        return aside.transcript.text


def _asked(chat: ChatRun) -> ChatRequest:
    return replace(
        chat.request, messages=(), model=AUTO, fallbacks=(), params={}, max_tokens=None, wishes=Wishes(transcript=True)
    )
