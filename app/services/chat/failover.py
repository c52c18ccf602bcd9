"""Calls the candidates of a plan in turn, under one deadline and one retry budget, until one answer is whole."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from app.domain.catalogue import Model
from app.domain.chat import ProviderCall
from app.domain.errors import BudgetExceeded, DomainError, ProviderFault
from app.domain.events import ChatEvent, Delta, Finish, Notice, Picture, Restart, Silence, Skipped, Vectors
from app.domain.policies import retry
from app.domain.policies.earlier import shown_to
from app.domain.policies.retry import Situation, Step
from app.domain.policies.tokens import estimate_prompt
from app.domain.sound import Heard
from app.factories.catalogue import row_of, takes_video
from app.factories.llm_service_factory import LLMServiceFactory
from app.services.catalogue.catalogue import Catalogue
from app.services.chat.agenda import Agenda, Pause, Turn
from app.services.chat.attempt import RunningAttempt
from app.services.chat.health import HealthBoard
from app.services.chat.rescue import Diverged, Rescue
from app.services.chat.run import ChatRun
from app.services.chat.timing import Timeouts, Timing
from app.services.chat.transcript import Transcript
from app.utils.beats import pause
from app.utils.cancel import Cancel


@dataclass(frozen=True, slots=True)
class RetryRules:
    """budget: RETRY_BUDGET, tries a chat may spend; wait: RETRY_AFTER_WAIT, seconds for the model wished for."""

    budget: int
    wait: float


class Failover:
    """withdrawn: told a model that its provider says it does not have; must not block."""

    def __init__(
        self,
        services: LLMServiceFactory,
        catalogue: Catalogue,
        health: HealthBoard,
        timeouts: Timeouts,
        rules: RetryRules,
        withdrawn: Callable[[Model], None] = lambda model: None,
    ) -> None:
        self._services = services
        self._catalogue = catalogue
        self._health = health
        self._timeouts = timeouts
        self._rules = rules
        self._withdrawn = withdrawn

    def call(self, run: ChatRun, cancel: Cancel) -> Generator[ChatEvent, None, None]:
        """Yield the answer as it comes, with each attempt's beginning and end; return when one is whole.

        Raises the DomainError the chat ends in, once no attempt is left.
        """
        faults: list[ProviderFault] = []
        agenda, timing = self._agenda(run), Timing(self._timeouts, run, self._health.speeds)
        turn, rescue, notice = _next(agenda, timing, cancel), None, None
        while turn is not None:
            attempt = RunningAttempt(run, turn, rescue, notice)
            yield attempt.announced()
            try:
                yield from self._try(run, attempt, cancel, timing)
            except ProviderFault as fault:
                attempt.stop()
                faults.append(fault)
                self._learn(timing, turn, fault)
                step = self._step(run, attempt, agenda, faults)
                following = None
                try:
                    if step.next != "stop":
                        agenda.learn(turn, fault, step)
                        following = _next(agenda, timing, cancel, step.wait)
                finally:
                    ended = attempt.ended(fault, _word(step, turn, following))
                yield ended
                notice = _notice(turn, fault, following) or (attempt.notice if following else None)
                turn, rescue = following, _rescue(run, step, following)
            except BaseException:
                self._health.abandoned(turn.ticket)
                attempt.ended(ProviderFault("cancelled", "nobody listens any more"), "stop")
                raise
            else:
                attempt.stop()
                self._succeeded(run, attempt)
                yield attempt.ended(None, None)
                return
        refused = run.hold.refused if run.hold is not None else None
        if refused is not None and (not faults or _money_ended_it(run, refused, faults)):
            raise refused
        raise retry.final_error(faults, agenda.passed, agenda.soonest(), broken=_has_some(run))

    def _agenda(self, run: ChatRun) -> Agenda:
        window = run.admitted.window if run.admitted else None
        return Agenda(
            run.plan.candidates,
            self._health,
            prompt_tokens=run.prompt_tokens,
            patience=self._rules.wait,
            preferred_key=window.key if window else None,
            may_ask=run.may_ask,
        )

    def _step(self, run: ChatRun, attempt: RunningAttempt, agenda: Agenda, faults: list[ProviderFault]) -> Step:
        if isinstance(faults[-1], Diverged):
            return Step("stop")
        situation = Situation(
            tries_on_model=agenda.tries_on(attempt.turn),
            tries_left=self._rules.budget - len(faults),
            content_sent=_has_some(run),
            call_begun=run.transcript.has_calls or bool(run.transcript.pictures),
            choices=run.request.params.get("n") or 1,
            rescuing=attempt.rescue is not None,
            continuing=attempt.rescue is not None and attempt.rescue.continuing,
            patience=self._rules.wait,
        )
        return retry.after(faults[-1], situation, random.random())

    def _learn(self, timing: Timing, turn: Turn, fault: ProviderFault) -> None:
        ours = fault.kind == "cancelled" or isinstance(fault, Diverged)
        if ours or (fault.kind in retry.BY_TIME and timing.is_over()):
            self._health.abandoned(turn.ticket)  # the provider did nothing wrong
            return
        self._health.failed(turn.ticket, fault)
        model = turn.candidate.model
        if fault.kind == "model_gone" and model.name in fault.message:
            self._withdrawn(model)

    def _try(self, run: ChatRun, attempt: RunningAttempt, cancel: Cancel, timing: Timing) -> Iterator[ChatEvent]:
        candidate, request, rescue = attempt.turn.candidate, run.request, attempt.rescue
        model, work = candidate.model, run.plan.work
        prompt = shown_to(run.prompt, sees=model.may_see, videos=work == "chat" and takes_video(model))
        call = ProviderCall(
            model_name=model.name,
            base_url=model.base_url or self._catalogue.snapshot().providers[model.integration].base_url,
            secret=attempt.turn.credential.secret or None,
            messages=prompt if rescue is None else rescue.prompt(prompt),
            # A model that may still be down shows in a stream, within moments, that it is not; and a stream can be
            # cut where the money ends.
            stream=work == "chat" and (request.stream or attempt.turn.ticket.probes or run.must_be_cuttable(model)),
            params=request.params if rescue else run.params_for(model),
            max_tokens=request.max_tokens,
            max_output=model.max_output,
            reasoning=model.reasoning,
        )
        asked_tokens = run.prompt_tokens if rescue is None else estimate_prompt(call.messages, run.count)
        run.begin(model, attempt.turn.credential.id, rescuing=rescue is not None, prompt_tokens=asked_tokens)
        service = self._services.service(model.integration, work)
        patience = timing.patience(attempt.turn, stream=call.stream)
        finishes: list[Finish] = []
        with closing(service.chat(call, patience, cancel)) as events:
            for event in events:
                if type(event) is Delta:
                    attempt.said(event)
                    timing.beat(patience)
                    if attempt.notice is not None or rescue is not None:
                        yield from _noticed(attempt, _told(run, rescue.take(event)) if rescue else (event,))
                    else:
                        yield event
                    run.flowed(event)
                elif type(event) is Finish:
                    finishes.append(event)
                elif type(event) is Silence:
                    timing.beat(patience)
                    yield event
                elif type(event) is Skipped:
                    run.skipped_chunks += event.chunks
                elif type(event) is Picture:
                    attempt.drew(event)
                    yield from _told_before(attempt)
                    run.flowed(event)
                elif type(event) is Heard:
                    run.own.heard = event
                elif type(event) is Vectors:
                    attempt.embedded(event)
                else:
                    run.usage = event.usage  # type: ignore[union-attr]
        attempt.idle = patience.idle
        if rescue is not None:
            yield from _noticed(attempt, _told(run, rescue.end()))
        for finish in finishes:
            run.transcript.finish(finish)

    def _succeeded(self, run: ChatRun, attempt: RunningAttempt) -> None:
        tokens = run.usage.completion if run.usage else run.own.counted(0).completion
        ttft = attempt.ttft_ms or 0
        self._health.succeeded(attempt.turn.ticket, ttft, tokens, attempt.seconds - attempt.idle - ttft / 1000)


def _next(agenda: Agenda, timing: Timing, cancel: Cancel, wait: float = 0.0) -> Turn | None:
    """Who may be asked now or, for a model that is worth it, after a wait."""
    while True:
        if timing.is_over(wait) or not pause(wait, cancel):
            return None
        move = agenda.next()
        if not isinstance(move, Pause):
            return move
        wait = move.seconds


def _has_some(run: ChatRun) -> bool:
    """Whether the caller has a part of the answer."""
    return run.request.stream and run.transcript.has_content


def _money_ended_it(run: ChatRun, refused: DomainError, faults: list[ProviderFault]) -> bool:
    # A 503 would have the caller come again soon, for an answer that their money does not pay for by then either.
    spent = isinstance(refused, BudgetExceeded) and refused.details.get("reason") != "price_unknown"
    return spent and not _has_some(run) and all(fault.kind in retry.BY_CAPACITY for fault in faults)


def _noticed(attempt: RunningAttempt, events: Iterable[ChatEvent]) -> Iterator[ChatEvent]:
    """Say once, before the first content, that another model answers; a restart says it itself."""
    for event in events:
        notice, attempt.notice = attempt.notice, None
        if notice is not None and type(event) is not Restart:
            yield notice
        yield event


def _told_before(attempt: RunningAttempt) -> Iterator[Notice]:
    """The notice that is still to be told; a picture itself reaches its caller with the end."""
    notice, attempt.notice = attempt.notice, None
    if notice is not None:
        yield notice


def _notice(turn: Turn, fault: ProviderFault, following: Turn | None) -> Notice | None:
    if following is None or following.candidate.model.id == turn.candidate.model.id:
        return None
    old, new = turn.candidate.model.name, following.candidate.model.name
    return Notice("failover", f"{old} failed ({fault.kind}), {new} answers")


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
    if following is None or not _has_some(run):
        return None
    model = following.candidate.model
    sent = run.transcript.text
    continuing = bool(sent.strip()) and not step.afresh and row_of(model.integration).continues
    return Rescue(sent, model.name, continuing=continuing, may_restart=run.request.door != "openai")
