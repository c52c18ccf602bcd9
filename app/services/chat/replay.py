"""A kept answer said again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from app.domain.cached import KeptChoice, KeptReply
from app.domain.catalogue import Candidate, Model, Plan
from app.domain.events import Answer, AttemptStarted, ChatEvent, Delta, Finish
from app.domain.usage import sum_of
from app.services.chat.run import ChatRun
from app.utils.clock import monotonic

_PIECE = re.compile(r"\s*(?:\S{1,200}\s*){1,6}|\s+")
REASON = "cache"
"""Why the model answers, as a receipt would say it."""


def kept_reply(run: ChatRun) -> KeptReply:
    """What a call came to, to be kept."""
    model = run.model or run.plan.candidates[0].model
    choices = tuple(KeptChoice(a.text, run.thoughts + a.reasoning, a.logprobs) for a in run.transcript.answers())
    usage = sum_of([run.believed_usage(), *(attempt.usage for attempt in run.helped if attempt.usage)])
    return KeptReply(model.name, model.integration, choices, usage, tuple(run.sources))


def replayed(run: ChatRun, kept: KeptReply) -> Iterator[ChatEvent]:
    """The events of a kept answer, all at once; the run is as if it had been said now."""
    model = _model(run.plan, kept)
    run.model, run.plan = model, replace(run.plan, candidates=(Candidate(model, (), REASON),))
    run.cached, run.usage, run.sources = True, kept.usage, list(kept.sources)
    yield AttemptStarted(0, model.name, model.integration, None, REASON)
    for piece in pieces(kept.choices, streamed=run.request.stream):
        if run.ttft_ms is None:
            run.ttft_ms = int((monotonic() - run.started) * 1000)
        run.own.add(piece)
        yield piece
    for index in range(len(kept.choices)):
        run.own.finish(Finish("stop", index))
    run.transcript = run.own


def pieces(answers: Sequence[Answer | KeptChoice], *, streamed: bool) -> Iterator[Delta]:
    """Whole answers as deltas: one each, or where they are streamed pieces of a few words."""
    for index, answer in enumerate(answers):
        if answer.reasoning:
            yield Delta(reasoning=answer.reasoning, choice=index)
        if not streamed or answer.logprobs is not None:
            yield Delta(answer.text, choice=index, logprobs=answer.logprobs)
            continue
        for text in _PIECE.findall(answer.text):
            yield Delta(text, choice=index)


def _model(plan: Plan, kept: KeptReply) -> Model:
    """The row of who answered then; one that is gone from the catalogue as it was called."""
    for candidate in plan.candidates:
        if (candidate.model.name, candidate.model.integration) == (kept.model, kept.provider):
            return candidate.model
    return Model(f"{kept.provider}/{kept.model}", kept.provider, kept.model)
