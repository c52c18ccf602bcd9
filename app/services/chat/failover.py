"""Calls the candidates of a plan in turn, under one deadline and one retry budget, until one answer is whole."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from gevent.event import Event

from app.domain.catalogue import Model
from app.domain.chat import ProviderCall
from app.domain.errors import ProviderFault
from app.domain.events import ChatEvent, Delta, Finish, Notice, Restart, Silence, Skipped
from app.domain.policies import retry
from app.domain.policies.retry import Situation, Step
from app.factories.catalogue import row_of
from app.factories.llm_service_factory import LLMServiceFactory
from app.services.catalogue.catalogue import Catalogue
from app.services.chat.agenda import Agenda, Pause, Turn
from app.services.chat.attempt import RunningAttempt
from app.services.chat.health import HealthBoard
from app.services.chat.rescue import Diverged, Rescue
from app.services.chat.run import ChatRun
from app.services.chat.transcript import Transcript
from app.utils.cancel import Cancel
from app.utils.clock import monotonic
from app.utils.patience import Patience

REASONING_FIRST_TOKEN = 60.0
PROBE_FIRST_TOKEN = 3.0
PROBE_FACTOR = 4
LEAST_TICK = 0.05
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
        agenda, pulse = self._agenda(run), _Pulse(self._timeouts.heartbeat)
        turn, rescue, notice = self._next(run, agenda, cancel), None, None
        while turn is not None:
            attempt = RunningAttempt(run, turn, rescue, notice)
            yield attempt.announced()
            try:
                yield from self._try(run, attempt, cancel, pulse)
            except ProviderFault as fault:
                attempt.stop()
                faults.append(fault)
                self._learn(run, turn, fault)
                step = self._step(run, attempt, agenda, faults)
                following = None
                try:
                    following = self._following(run, agenda, turn, fault, step, cancel)
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
        if not faults and run.hold is not None and run.hold.refused is not None:
            raise run.hold.refused
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
            call_begun=run.transcript.has_calls,
            choices=run.request.params.get("n") or 1,
            rescuing=attempt.rescue is not None,
            continuing=attempt.rescue is not None and attempt.rescue.continuing,
            patience=self._rules.wait,
        )
        return retry.after(faults[-1], situation, random.random())

    def _learn(self, run: ChatRun, turn: Turn, fault: ProviderFault) -> None:
        ours = fault.kind == "cancelled" or isinstance(fault, Diverged)
        if ours or (fault.kind in retry.BY_TIME and self._out_of_time(run)):
            self._health.abandoned(turn.ticket)  # the provider did nothing wrong
            return
        self._health.failed(turn.ticket, fault)
        model = turn.candidate.model
        if fault.kind == "model_gone" and model.name in fault.message:
            self._withdrawn(model)

    def _following(
        self, run: ChatRun, agenda: Agenda, turn: Turn, fault: ProviderFault, step: Step, cancel: Cancel
    ) -> Turn | None:
        """Who is asked next, None where it ends here."""
        if step.next == "stop":
            return None
        agenda.learn(turn, fault, step)
        return self._next(run, agenda, cancel, step.wait)

    def _next(self, run: ChatRun, agenda: Agenda, cancel: Cancel, wait: float = 0.0) -> Turn | None:
        """Who may be asked now or, for a model that is worth it, after a wait."""
        while True:
            if self._out_of_time(run, wait) or not _passed(wait, cancel):
                return None
            move = agenda.next()
            if not isinstance(move, Pause):
                return move
            wait = move.seconds

    def _try(self, run: ChatRun, attempt: RunningAttempt, cancel: Cancel, pulse: _Pulse) -> Iterator[ChatEvent]:
        candidate, request, rescue = attempt.turn.candidate, run.request, attempt.rescue
        model = candidate.model
        call = ProviderCall(
            model_name=model.name,
            base_url=model.base_url or self._catalogue.snapshot().providers[model.integration].base_url,
            secret=attempt.turn.credential.secret or None,
            messages=run.prompt if rescue is None else rescue.prompt(run.prompt),
            # A model that may still be down shows in a stream, within moments, that it is not; and a stream can be
            # cut where the money ends.
            stream=request.stream or attempt.turn.ticket.probes or run.must_be_cuttable(model),
            params=request.params,
            max_tokens=request.max_tokens,
            max_output=model.max_output,
            reasoning=model.reasoning,
        )
        run.begin(model, attempt.turn.credential.id, rescuing=rescue is not None)
        service = self._services.service(model.integration)
        patience = self._patience(run, attempt, call.stream, pulse)
        finishes: list[Finish] = []
        with closing(service.chat(call, patience, cancel)) as events:
            for event in events:
                if type(event) is Delta:
                    attempt.said(event)
                    pulse.beat()
                    patience.tick = pulse.every
                    if attempt.notice is not None or rescue is not None:
                        yield from _noticed(attempt, _told(run, rescue.take(event)) if rescue else (event,))
                    else:
                        yield event
                elif type(event) is Finish:
                    finishes.append(event)
                elif type(event) is Silence:
                    pulse.beat()
                    patience.tick = pulse.every
                    yield event
                elif type(event) is Skipped:
                    run.skipped_chunks += event.chunks
                else:
                    run.usage = event.usage  # type: ignore[union-attr]
        attempt.idle = patience.idle
        if rescue is not None:
            yield from _noticed(attempt, _told(run, rescue.end()))
        for finish in finishes:
            run.transcript.finish(finish)

    def _patience(self, run: ChatRun, attempt: RunningAttempt, stream: bool, pulse: _Pulse) -> Patience:
        limits = self._timeouts
        deadline = run.started + limits.stream
        model = attempt.turn.candidate.model
        if not stream:
            extra = max(0, (run.request.max_tokens or 0) - REPLY_TOKENS_FREE) / REPLY_TOKENS_A_SECOND
            reply = limits.reply + extra
            return Patience(deadline=deadline, first=reply, stall=reply, tick=pulse.left())
        first = max(limits.first_token, REASONING_FIRST_TOKEN) if model.reasoning else limits.first_token
        if attempt.turn.ticket.probes:
            first = min(first, self._probe_seconds(model))
        if run.request.stream and not run.transcript.has_content:
            first = min(first, run.started + limits.request - monotonic())
        return Patience(deadline=deadline, first=max(first, 0.0), stall=limits.stall, tick=pulse.left())

    def _probe_seconds(self, model: Model) -> float:
        """How long a caller waits to find out whether a model is back: much longer than it ever took, and not long.

        One that thinks first, and was not seen for a while, has all its time."""
        speed = self._health.speeds.get(model.id)
        if speed is None:
            return REASONING_FIRST_TOKEN if model.reasoning else PROBE_FIRST_TOKEN
        return max(PROBE_FIRST_TOKEN, PROBE_FACTOR * speed.ttft_ms / 1000)

    def _succeeded(self, run: ChatRun, attempt: RunningAttempt) -> None:
        tokens = run.usage.completion if run.usage else run.own.counted(0).completion
        ttft = attempt.ttft_ms or 0
        self._health.succeeded(attempt.turn.ticket, ttft, tokens, attempt.seconds - attempt.idle - ttft / 1000)

    def _out_of_time(self, run: ChatRun, wait: float = 0.0) -> bool:
        before_content = run.request.stream and not run.transcript.has_content
        limit = self._timeouts.request if before_content else self._timeouts.stream
        return monotonic() + wait >= run.started + limit


class _Pulse:
    """When the caller was sent something last, over all attempts. every: seconds between two heartbeats."""

    __slots__ = ("_last", "every")

    def __init__(self, every: float) -> None:
        self.every = every
        self._last = monotonic()

    def beat(self) -> None:
        self._last = monotonic()

    def left(self) -> float:
        """Seconds until the next heartbeat is due."""
        return max(self._last + self.every - monotonic(), LEAST_TICK)


def _passed(seconds: float, cancel: Cancel) -> bool:
    """Let so much time pass; False, at once, where the chat is stopped."""
    if seconds > 0 and cancel.reason is None:
        stopped = Event()
        cancel.add(stopped.set)
        try:
            stopped.wait(seconds)
        finally:
            cancel.remove(stopped.set)
    return cancel.reason is None


def _has_some(run: ChatRun) -> bool:
    """Whether the caller has a part of the answer."""
    return run.request.stream and run.transcript.has_content


def _noticed(attempt: RunningAttempt, events: Iterable[ChatEvent]) -> Iterator[ChatEvent]:
    """Say once, before the first content, that another model answers; a restart says it itself."""
    for event in events:
        notice, attempt.notice = attempt.notice, None
        if notice is not None and type(event) is not Restart:
            yield notice
        yield event


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
