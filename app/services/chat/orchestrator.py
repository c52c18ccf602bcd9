"""The facade of a chat: admit, recall, choose, call, settle. Thick in order, thin in logic."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from app.domain.caller import Caller
from app.domain.chat import ChatRequest
from app.domain.errors import DomainError, InternalError, Unavailable, UnsupportedMedia
from app.domain.events import Accepted, AttemptStarted, CacheLook, ChatEvent, Delta, Failed
from app.domain.ledger import State
from app.domain.policies.earlier import for_all, shows_pictures
from app.domain.policies.ending import state_of
from app.domain.policies.mixing import is_mix
from app.services.chat.album import Album
from app.services.chat.caching import ChatCache
from app.services.chat.enrichment import Enrichment
from app.services.chat.entry import Entry
from app.services.chat.failover import Failover
from app.services.chat.mix import Mix
from app.services.chat.recall import Recall
from app.services.chat.run import ChatRun
from app.services.chat.selector import LLMSelectorService
from app.services.chat.settlement import Settlement, asks
from app.services.chat.tool_use import ToolUse
from app.utils.cancel import CLIENT_GONE, SHUTDOWN, Cancel
from app.utils.clock import monotonic, utcnow

log = logging.getLogger(__name__)


class ChatOrchestrator:
    """confirm: raises Unauthorized for a caller who was revoked since, asked each `slice_deltas` pieces of an
    answer. enrichments: in the order in which they add to a prompt. album: keeps what is drawn. cache: None where none
    serves."""

    def __init__(
        self,
        selector: LLMSelectorService,
        entry: Entry,
        recall: Recall,
        failover: Failover,
        settlement: Settlement,
        confirm: Callable[[Caller], None],
        *,
        slice_deltas: int,
        enrichments: Sequence[Enrichment] = (),
        album: Album | None = None,
        cache: ChatCache | None = None,
    ) -> None:
        self._selector = selector
        self._entry = entry
        self._recall = recall
        self._failover = failover
        self._mix = Mix(selector, failover)
        self._tool_use = ToolUse(failover)
        self._settlement = settlement
        self._confirm = confirm
        self._slice_deltas = slice_deltas
        self._enrichments = enrichments
        self._album = album
        self._cache = cache

    def run(self, request: ChatRequest, cancel: Cancel) -> Iterator[ChatEvent]:
        """Answer one chat. Yields ChatEvents, exactly one Done or Failed last; close it to end it early.

        Raises a DomainError where the chat is refused before it is accepted: then nothing is stored. Whatever
        happens after `Accepted`, the ledger gets one terminal row.
        """
        chat = self._admit(request)
        yield from self._answer(chat, cancel)

    def _admit(self, request: ChatRequest) -> ChatRun:
        self._settlement.check_room()
        chat = ChatRun(request, self._selector.plan(request), monotonic(), utcnow())
        try:
            self._entry.admit(chat)
        except BaseException:
            self._settlement.refused(chat)
            raise
        try:
            self._recall.fill(chat)
            window = chat.admitted.window if chat.admitted else None
            if window is not None and window.model is not None:
                chat.plan = self._selector.affine(request, chat.plan, window.model)
        except BaseException:
            self._settlement.release(chat)
            raise
        return chat

    def _answer(self, chat: ChatRun, cancel: Cancel) -> Iterator[ChatEvent]:
        request = chat.request
        try:
            self._settlement.accept(chat)
            conversation = request.conversation.public_id if request.conversation else None
            yield Accepted(request.prompt_id, conversation, chat.degraded or self._settlement.degraded, chat.standing)
            yield from self._enrich(chat, cancel)
            yield from self._call(chat, cancel)
            if chat.transcript.pictures and self._album is not None:
                self._album.keep(chat)
            done = self._settlement.complete(chat)
            if chat.offer is not None:
                chat.offer()
            yield done
        except DomainError as fault:
            if chat.images and self._album is not None:
                self._album.undo(chat)
            yield self._failed(chat, fault, cancel.reason)
        except Exception as bug:
            log.exception("a chat ended in a bug", extra={"request_id": request.prompt_id})
            if not _was_closed(bug):
                yield self._failed(chat, InternalError("something went wrong here"), cancel.reason)
        finally:
            # The door closed us, or a greenlet was killed: no event can go out, the row still must.
            self._settle(chat, "crashed" if cancel.reason == SHUTDOWN else "client_gone")

    def _enrich(self, chat: ChatRun, cancel: Cancel) -> Iterator[ChatEvent]:
        if chat.plan.work == "transcript":
            return  # a recording goes on as it came
        for room in self._enrichments:
            if room.wanted(chat):
                yield from room.enrich(chat, cancel)
        if chat.prompt is not chat.request.messages and not chat.request.wants_images:
            self._plan_anew(chat)

    def _plan_anew(self, chat: ChatRun) -> None:
        """The prompt has pictures that the request does not have: somebody who sees is to answer. Where nobody may,
        those of earlier turns are only told of; a drawing needs none of them."""
        asked = replace(chat.request, messages=chat.prompt)
        if not asked.wants_images:
            return
        try:
            plan = self._selector.plan(asked)
        except UnsupportedMedia:
            question = next(message for message in reversed(chat.prompt) if message.role == "user")
            if not chat.carries or shows_pictures(question):
                raise
            chat.set_prompt(for_all(chat.prompt))
            return
        window = chat.admitted.window if chat.admitted else None
        chat.plan = plan if window is None else self._selector.affine(asked, plan, window.model)

    def _call(self, chat: ChatRun, cancel: Cancel) -> Iterator[ChatEvent]:
        pieces = 0
        if chat.plan.work == "picture" and self._album is not None:
            self._album.check(chat)
        with closing(self._source(chat, cancel)) as events:
            for event in events:
                yield event
                if type(event) is Delta:
                    pieces += 1
                    if pieces % self._slice_deltas == 0:
                        self._confirm(chat.request.caller)
                elif type(event) is CacheLook:
                    chat.cache_hit = event.hit
                elif type(event) is AttemptStarted and not chat.shared:
                    asks(chat, event)

    def _source(self, chat: ChatRun, cancel: Cancel) -> Generator[ChatEvent, None, None]:
        """Where the answer comes from: the cache where it serves, a mix, or the candidates in turn, with a tool of ours
        where a room offers one."""
        if chat.tool is not None:
            return self._tool_use.call(chat, chat.tool, cancel)
        mixed = is_mix(chat.request.model) and chat.plan.work == "chat"
        call = self._mix.call if mixed else self._failover.call
        if self._cache is None or not self._cache.serves(chat):
            return call(chat, cancel)
        return self._cache.answer(chat, cancel, call, alone=mixed)

    def _failed(self, chat: ChatRun, error: DomainError, stopped: str | None) -> Failed:
        ended = state_of(error, client_gone=stopped == CLIENT_GONE, shutdown=stopped == SHUTDOWN)
        state: State = "crashed" if chat.settled else ended
        self._settle(chat, state)
        if stopped == SHUTDOWN:
            error = Unavailable("the server is shutting down", retry_after=1)
        error.standing = chat.standing
        return Failed(error, state, self._settlement.usage(chat), chat.transcript.text)

    def _settle(self, chat: ChatRun, state: State) -> None:
        """Write the row of a chat that did not end well; what it ended in is told even where that cannot be kept."""
        try:
            self._settlement.settle(chat, state)
        except DomainError:
            log.exception("the row of a failed chat is lost", extra={"request_id": chat.request.prompt_id})


def _was_closed(error: BaseException | None) -> bool:
    """Whether it was raised while the generator was being closed, when nothing can be yielded any more."""
    while error is not None and not isinstance(error, GeneratorExit):
        error = error.__context__
    return error is not None
