"""Calls the candidates of a plan in turn, under one deadline and one retry budget."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import gevent

from app.domain.catalogue import Candidate
from app.domain.chat import ProviderCall
from app.domain.errors import ProviderFault
from app.domain.events import Attempt, AttemptStarted, ChatEvent, Delta, Finish, ProviderEvent, Silence, Skipped
from app.domain.policies import retry
from app.factories.llm_service_factory import LLMServiceFactory
from app.services.catalogue.catalogue import Catalogue
from app.services.chat.run import ChatRun
from app.utils.cancel import Cancel
from app.utils.clock import monotonic
from app.utils.patience import Patience

REASONING_FIRST_TOKEN = 60.0
REPLY_TOKENS_A_SECOND = 25
REPLY_TOKENS_FREE = 3_000
HEARTBEAT = 15.0
ESTIMATE_MARGIN = 1.5


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds, each a setting: REQUEST_TIMEOUT, STREAM_TIMEOUT, FIRST_TOKEN_TIMEOUT, STALL_TIMEOUT, REPLY_TIMEOUT."""

    request: float
    stream: float
    first_token: float
    stall: float
    reply: float


class Failover:
    """retry_budget: tries a chat may spend over all its candidates."""

    def __init__(
        self, services: LLMServiceFactory, catalogue: Catalogue, timeouts: Timeouts, retry_budget: int
    ) -> None:
        self._services = services
        self._catalogue = catalogue
        self._timeouts = timeouts
        self._retry_budget = retry_budget

    def call(self, run: ChatRun, cancel: Cancel) -> Iterator[ChatEvent]:
        """Yield the answer as it comes, with each attempt's beginning and end; return when one is whole.

        Raises the DomainError the chat ends in, once no attempt is left.
        """
        faults: list[ProviderFault] = []
        queue = list(reversed(run.plan.candidates))
        tries_on_model = 0
        while queue:
            candidate = queue[-1]
            if len(queue) > 1 and _surely_too_long(run, candidate):
                queue.pop()
                continue
            tries_on_model += 1
            attempt = _Attempt(len(run.attempts) + 1, candidate, run)
            yield attempt.announced()
            try:
                yield from self._try(run, attempt, cancel)
            except ProviderFault as fault:
                faults.append(fault)
                step = retry.after(
                    fault,
                    tries_on_model=tries_on_model,
                    tries_left=self._retry_budget - len(faults),
                    content_sent=run.transcript.has_content,
                    jitter=random.random(),
                )
                if step.next != "retry":
                    queue.pop()
                    tries_on_model = 0
                last = step.next == "stop" or not queue or self._out_of_time(run)
                yield attempt.ended(fault, "stop" if last else step.next)
                if last:
                    break
                gevent.sleep(step.wait)
            else:
                yield attempt.ended(None, None)
                return
        raise retry.final_error(faults)

    def _try(self, run: ChatRun, attempt: _Attempt, cancel: Cancel) -> Iterator[ChatEvent]:
        candidate = attempt.candidate
        request = run.request
        provider = self._catalogue.snapshot().providers[candidate.model.integration]
        call = ProviderCall(
            model_name=candidate.model.name,
            base_url=candidate.model.base_url or provider.base_url,
            secret=candidate.credential.secret if candidate.credential else None,
            messages=run.prompt,
            stream=request.stream,
            params=request.params,
            max_tokens=request.max_tokens,
            reasoning=candidate.model.reasoning,
        )
        run.model = candidate.model
        service = self._services.service(candidate.model.integration)
        with closing(service.chat(call, self._patience(run, candidate), cancel)) as events:
            for event in events:
                out = _note(run, attempt, event)
                if out is not None:
                    yield out

    def _patience(self, run: ChatRun, candidate: Candidate) -> Patience:
        limits = self._timeouts
        deadline = run.started + limits.stream
        if not run.request.stream:
            extra = max(0, (run.request.max_tokens or 0) - REPLY_TOKENS_FREE) / REPLY_TOKENS_A_SECOND
            return Patience(deadline=deadline, first=limits.reply + extra, stall=limits.reply + extra, tick=HEARTBEAT)
        first = max(limits.first_token, REASONING_FIRST_TOKEN) if candidate.model.reasoning else limits.first_token
        first = min(first, run.started + limits.request - monotonic())
        return Patience(deadline=deadline, first=max(first, 0.0), stall=limits.stall, tick=HEARTBEAT)

    def _out_of_time(self, run: ChatRun) -> bool:
        limit = self._timeouts.request if run.request.stream else self._timeouts.stream
        return monotonic() >= run.started + limit


class _Attempt:
    """One call while it lasts."""

    __slots__ = ("_began", "candidate", "n", "run", "ttft_ms")

    def __init__(self, n: int, candidate: Candidate, run: ChatRun) -> None:
        self.n = n
        self.candidate = candidate
        self.run = run
        self.ttft_ms: int | None = None
        self._began = monotonic()

    def announced(self) -> AttemptStarted:
        model = self.candidate.model
        return AttemptStarted(self.n, model.name, model.integration, self._mask, self.candidate.reason)

    def content(self) -> None:
        """The first content of this attempt came."""
        now = monotonic()
        self.ttft_ms = int((now - self._began) * 1000)
        if self.run.ttft_ms is None:
            self.run.ttft_ms = int((now - self.run.started) * 1000)

    def ended(self, fault: ProviderFault | None, following: str | None) -> Attempt:
        model = self.candidate.model
        attempt = Attempt(
            n=self.n,
            model=model.name,
            provider=model.integration,
            key_mask=self._mask,
            reason=self.candidate.reason,
            started_ms=int((self._began - self.run.started) * 1000),
            latency_ms=int((monotonic() - self._began) * 1000),
            ttft_ms=self.ttft_ms,
            status=fault.status if fault else 200,
            error=fault.kind if fault else None,
            usage=self.run.usage if fault is None else None,
            next=following,
        )
        self.run.attempts.append(attempt)
        return attempt

    @property
    def _mask(self) -> str | None:
        return self.candidate.credential.mask if self.candidate.credential else None


def _surely_too_long(run: ChatRun, candidate: Candidate) -> bool:
    """Whether the prompt cannot fit however wrong the estimate is; what may fit, the provider is asked."""
    window = candidate.model.context_window
    return window is not None and run.prompt_tokens > window * ESTIMATE_MARGIN


def _note(run: ChatRun, attempt: _Attempt, event: ProviderEvent) -> Delta | Finish | Silence | None:
    """Write down what an event says; the event itself where a door has to see it."""
    if isinstance(event, Delta):
        if attempt.ttft_ms is None:
            attempt.content()
        run.transcript.add(event)
        return event
    if isinstance(event, Finish):
        run.transcript.finish(event)
        return event
    if isinstance(event, Silence):
        return event
    if isinstance(event, Skipped):
        run.skipped_chunks += event.chunks
        return None
    run.usage = event.usage
    return None
