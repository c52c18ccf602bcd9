"""Calls the candidates of a plan in turn, under one deadline and one retry budget, until one answer is whole."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

import gevent

from app.domain.chat import ProviderCall
from app.domain.errors import ProviderFault
from app.domain.events import ChatEvent, Delta, Finish, Restart, Silence, Skipped
from app.domain.policies import retry
from app.domain.policies.retry import Situation, Step
from app.factories.catalogue import row_of
from app.factories.llm_service_factory import LLMServiceFactory
from app.services.catalogue.catalogue import Catalogue
from app.services.chat.agenda import Agenda, Turn
from app.services.chat.attempt import RunningAttempt
from app.services.chat.health import HealthBoard
from app.services.chat.rescue import Rescue
from app.services.chat.run import ChatRun
from app.services.chat.transcript import Transcript
from app.utils.cancel import Cancel
from app.utils.clock import monotonic
from app.utils.patience import Patience

REASONING_FIRST_TOKEN = 60.0
PROBE_FIRST_TOKEN = 3.0
REPLY_TOKENS_A_SECOND = 25
REPLY_TOKENS_FREE = 3_000
HEARTBEAT = 15.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds, each a setting: REQUEST_TIMEOUT, STREAM_TIMEOUT, FIRST_TOKEN_TIMEOUT, STALL_TIMEOUT, REPLY_TIMEOUT.

    heartbeat: the silence after which a stream's reader is told that we are still here.
    """

    request: float
    stream: float
    first_token: float
    stall: float
    reply: float
    heartbeat: float = HEARTBEAT


@dataclass(frozen=True, slots=True)
class RetryRules:
    """budget: RETRY_BUDGET, tries a chat may spend; wait: RETRY_AFTER_WAIT, seconds for the model wished for."""

    budget: int
    wait: float


class Failover:
    def __init__(
        self,
        services: LLMServiceFactory,
        catalogue: Catalogue,
        health: HealthBoard,
        timeouts: Timeouts,
        rules: RetryRules,
    ) -> None:
        self._services = services
        self._catalogue = catalogue
        self._health = health
        self._timeouts = timeouts
        self._rules = rules

    def call(self, run: ChatRun, cancel: Cancel) -> Generator[ChatEvent, None, None]:
        """Yield the answer as it comes, with each attempt's beginning and end; return when one is whole.

        Raises the DomainError the chat ends in, once no attempt is left.
        """
        faults: list[ProviderFault] = []
        agenda = self._agenda(run)
        turn, rescue = agenda.next(), None
        while turn is not None:
            if turn.wait:
                gevent.sleep(turn.wait)
            attempt = RunningAttempt(run, turn, rescue)
            yield attempt.announced()
            try:
                yield from self._try(run, attempt, cancel)
            except ProviderFault as fault:
                faults.append(fault)
                self._health.failed(turn.candidate.model.id, turn.credential.id, fault)
                step = retry.after(fault, self._situation(run, attempt, agenda, len(faults)), random.random())
                following = self._following(run, agenda, turn, fault, step)
                yield attempt.ended(fault, _word(step, turn, following))
                turn, rescue = following, _rescue(run, step, following)
            except BaseException:
                self._health.abandoned(turn.candidate.model.id, turn.credential.id)
                attempt.ended(ProviderFault("cancelled", "nobody listens any more"), "stop")
                raise
            else:
                self._succeeded(run, attempt)
                yield attempt.ended(None, None)
                return
        raise retry.final_error(faults, agenda.soonest)

    def _agenda(self, run: ChatRun) -> Agenda:
        window = run.admitted.window if run.admitted else None
        return Agenda(
            run.plan.candidates,
            self._health,
            prompt_tokens=run.prompt_tokens,
            patience=self._rules.wait,
            preferred_key=window.key if window else None,
        )

    def _situation(self, run: ChatRun, attempt: RunningAttempt, agenda: Agenda, tries: int) -> Situation:
        return Situation(
            tries_on_model=agenda.tries_on(attempt.turn),
            tries_left=self._rules.budget - tries,
            content_sent=run.transcript.has_content and run.request.stream,
            call_begun=run.transcript.has_calls,
            choices=run.request.params.get("n") or 1,
            continuing=attempt.rescue is not None and attempt.rescue.continuing,
        )

    def _following(self, run: ChatRun, agenda: Agenda, turn: Turn, fault: ProviderFault, step: Step) -> Turn | None:
        """Who is asked next, None where it ends here."""
        if step.next == "stop" or self._out_of_time(run):
            return None
        agenda.learn(turn, fault, step)
        following = agenda.next()
        if following is None:
            return None
        wait = max(following.wait, step.wait if following.candidate is turn.candidate else 0.0)
        return None if self._out_of_time(run, wait) else Turn(following.candidate, following.credential, wait)

    def _try(self, run: ChatRun, attempt: RunningAttempt, cancel: Cancel) -> Iterator[ChatEvent]:
        candidate, request, rescue = attempt.turn.candidate, run.request, attempt.rescue
        model = candidate.model
        call = ProviderCall(
            model_name=model.name,
            base_url=model.base_url or self._catalogue.snapshot().providers[model.integration].base_url,
            secret=attempt.turn.credential.secret or None,
            messages=run.prompt if rescue is None else rescue.prompt(run.prompt),
            stream=request.stream,
            params=request.params,
            max_tokens=request.max_tokens,
            max_output=model.max_output,
            reasoning=model.reasoning,
        )
        run.begin(model, attempt.turn.credential.id, rescuing=rescue is not None)
        service = self._services.service(model.integration)
        finishes: list[Finish] = []
        with closing(service.chat(call, self._patience(run, attempt), cancel)) as events:
            for event in events:
                if type(event) is Delta:
                    attempt.said(event)
                    if rescue is None:
                        yield event
                    else:
                        yield from _told(run, rescue.take(event))
                elif type(event) is Finish:
                    finishes.append(event)
                elif type(event) is Silence:
                    yield event
                elif type(event) is Skipped:
                    run.skipped_chunks += event.chunks
                else:
                    run.usage = event.usage  # type: ignore[union-attr]
        if rescue is not None:
            yield from _told(run, rescue.end())
        for finish in finishes:
            run.transcript.finish(finish)

    def _patience(self, run: ChatRun, attempt: RunningAttempt) -> Patience:
        limits = self._timeouts
        deadline = run.started + limits.stream
        model = attempt.turn.candidate.model
        if not run.request.stream:
            extra = max(0, (run.request.max_tokens or 0) - REPLY_TOKENS_FREE) / REPLY_TOKENS_A_SECOND
            reply = limits.reply + extra
            return Patience(deadline=deadline, first=reply, stall=reply, tick=limits.heartbeat)
        first = max(limits.first_token, REASONING_FIRST_TOKEN) if model.reasoning else limits.first_token
        if self._health.is_open(model.id):
            first = min(first, PROBE_FIRST_TOKEN)
        if not run.transcript.has_content:
            first = min(first, run.started + limits.request - monotonic())
        return Patience(deadline=deadline, first=max(first, 0.0), stall=limits.stall, tick=limits.heartbeat)

    def _succeeded(self, run: ChatRun, attempt: RunningAttempt) -> None:
        tokens = run.usage.completion if run.usage else run.own.counted(0).completion
        self._health.succeeded(
            attempt.turn.candidate.model.id,
            attempt.turn.credential.id,
            attempt.ttft_ms or 0,
            tokens,
            attempt.seconds - (attempt.ttft_ms or 0) / 1000,
        )

    def _out_of_time(self, run: ChatRun, wait: float = 0.0) -> bool:
        before_content = run.request.stream and not run.transcript.has_content
        limit = self._timeouts.request if before_content else self._timeouts.stream
        return monotonic() + wait >= run.started + limit


def _told(run: ChatRun, events: Iterator[ChatEvent]) -> Iterator[ChatEvent]:
    """A rescuer's events on their way to the caller, written down as what the caller has."""
    for event in events:
        if type(event) is Restart:
            run.transcript = Transcript()
        elif type(event) is Delta:
            run.transcript.add(event)
        yield event


def _word(step: Step, turn: Turn, following: Turn | None) -> str:
    """The receipt's word for what followed."""
    if following is None:
        return "stop"
    if step.next == "rescue":
        return "rescue"
    if following.candidate.model.id != turn.candidate.model.id:
        return "next_model"
    return "retry" if following.credential.id == turn.credential.id else "next_key"


def _rescue(run: ChatRun, step: Step, following: Turn | None) -> Rescue | None:
    """The next attempt as a rescue, where the caller has a part of the answer."""
    if following is None or not (run.transcript.has_content and run.request.stream):
        return None
    model = following.candidate.model
    sent = run.transcript.text
    continuing = bool(sent.strip()) and not step.afresh and row_of(model.integration).continues
    return Rescue(sent, model.name, continuing=continuing, may_restart=run.request.door != "openai")
