"""`model: mix`: a model that reasons thinks, and another answers from its notes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from dataclasses import replace

from app.domain.catalogue import Candidate, Plan
from app.domain.chat import Message
from app.domain.errors import BudgetExceeded, DomainError, Unauthorized, UnsupportedMedia
from app.domain.events import Attempt, AttemptStarted, ChatEvent, Delta, Notice, Restart, Silence
from app.domain.policies import mixing
from app.domain.policies.earlier import shows_pictures
from app.services.catalogue.snapshot import AUTO
from app.services.chat.failover import Failover
from app.services.chat.run import ChatRun
from app.services.chat.selector import LLMSelectorService
from app.utils.cancel import Cancel

#: Errors that end the whole chat: the writer would not get further either.
ENDS_ALL = (BudgetExceeded, Unauthorized, UnsupportedMedia)


class Mix:
    """Stands before the failover. A chat for which nobody can think is answered by the writer alone, with a notice."""

    def __init__(self, selector: LLMSelectorService, failover: Failover) -> None:
        self._selector = selector
        self._failover = failover

    def call(self, chat: ChatRun, cancel: Cancel) -> Generator[ChatEvent, None, None]:
        """As Failover.call; what the reasoner says comes as reasoning."""
        prompt = chat.prompt
        try:
            prompt = yield from self._thought_through(chat, cancel)
        except ENDS_ALL:
            raise
        except DomainError as fault:
            if cancel.reason is not None:
                raise
            yield Notice("mix", f"nobody could think about it ({fault.code}): the writer answers alone")
            if not _sees(chat.plan.candidates[0]):
                prompt = mixing.without_pictures(prompt, "nobody has described them")
        finally:
            chat.expect_answer()
        chat.set_prompt(prompt)
        with closing(self._failover.call(chat, cancel)) as events:
            for event in events:
                yield event
                if type(event) is Restart and chat.thoughts:
                    yield Delta(reasoning=chat.thoughts)

    def _thought_through(self, chat: ChatRun, cancel: Cancel) -> Generator[ChatEvent, None, tuple[Message, ...]]:
        """The writer's prompt, once somebody has thought."""
        plan = self._selector.thinkers(chat.request)
        prompt = chat.prompt
        writers_prompt = prompt
        if _shows_pictures(prompt):
            prompt, writers_prompt = yield from self._seen(chat, plan, cancel)
        thinking = self._aside(chat, plan, mixing.to_think(prompt), mixing.THOUGHT_TOKENS)
        try:
            with closing(self._consult(chat, thinking, cancel)) as events:
                for event in events:
                    if type(event) is not Delta:
                        yield event
                        continue
                    thought = (event.reasoning + event.text)[: mixing.MOST_THOUGHT - len(chat.thoughts)]
                    if thought:
                        chat.thoughts += thought
                        yield Delta(reasoning=thought)
                    if len(chat.thoughts) == mixing.MOST_THOUGHT:
                        yield Notice("mix", "the thoughts were cut where they grew too long")
                        break
        except DomainError:
            # Half a thought was shown and may help still; where there is none, the writer is told of nothing.
            if not chat.thoughts or cancel.reason is not None:
                raise
            yield Notice("mix", "the reasoner broke off: the writer goes on from what there is")
        return mixing.with_notes(writers_prompt, chat.thoughts) if chat.thoughts.strip() else writers_prompt

    def _seen(
        self, chat: ChatRun, thinkers: Plan, cancel: Cancel
    ) -> Generator[ChatEvent, None, tuple[tuple[Message, ...], tuple[Message, ...]]]:
        """What reasoner and writer are shown of a prompt with pictures: those who do not see get a description."""
        prompt = chat.prompt
        writer_sees = _sees(chat.plan.candidates[0])
        if writer_sees:
            chat.plan = replace(chat.plan, candidates=tuple(filter(_sees, chat.plan.candidates)))
        if writer_sees and all(map(_sees, thinkers.candidates)):
            return prompt, prompt
        described = mixing.without_pictures(prompt, (yield from self._described(chat, cancel)))
        return (prompt if all(map(_sees, thinkers.candidates)) else described), (prompt if writer_sees else described)

    def _described(self, chat: ChatRun, cancel: Cancel) -> Generator[ChatEvent, None, str]:
        asked = replace(chat.request, messages=chat.prompt, model=AUTO, fallbacks=(), params={})
        seeing = self._selector.plan(asked)
        looking = self._aside(chat, seeing, mixing.to_describe(chat.prompt), mixing.DESCRIPTION_TOKENS)
        with closing(self._consult(chat, looking, cancel)) as events:
            for event in events:
                if type(event) is not Delta:
                    yield event
        return looking.transcript.text

    def _aside(self, chat: ChatRun, plan: Plan, prompt: tuple[Message, ...], most: int) -> ChatRun:
        """A run of its own for a call whose answer is not the chat's, on the same time, money and trail."""
        asked = replace(chat.request, params=mixing.thinking_params(chat.request.params), max_tokens=most, fallbacks=())
        aside = chat.aside(asked, plan, prompt)
        if chat.hold is not None:
            chat.hold.expects(most)
        return aside

    def _consult(self, chat: ChatRun, aside: ChatRun, cancel: Cancel) -> Generator[ChatEvent, None, None]:
        """Its events but for its notices; the attempt that ends it is part of the answer and not lost."""
        try:
            with closing(self._failover.call(aside, cancel)) as events:
                for event in events:
                    if type(event) in (Delta, Attempt, AttemptStarted, Silence):
                        yield event
        finally:
            last = aside.attempts[-1] if aside.attempts else None
            if last is not None and last.error in (None, "cancelled"):
                chat.asides.add(last.n)
            if chat.ttft_ms is None:
                chat.ttft_ms = aside.ttft_ms


def _sees(candidate: Candidate) -> bool:
    return candidate.model.may_see


def _shows_pictures(messages: tuple[Message, ...]) -> bool:
    return any(shows_pictures(message) for message in messages)
