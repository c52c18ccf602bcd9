"""Which candidates a request will try, in what order."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from app.domain.catalogue import Candidate, Model, Plan
from app.domain.chat import ChatRequest, Work, text_of
from app.domain.errors import Forbidden, InvalidRequest, NotFound, UnsupportedMedia, UpstreamFailed
from app.domain.policies.bandit import WORTH_A_MOVE, stakes
from app.domain.policies.mixing import is_mix
from app.domain.policies.selection import (
    BLIND,
    LEARNED,
    NOT_ITS_WORK,
    STEADY,
    STRATEGIES,
    Insight,
    Needs,
    does,
    priority,
    unfit,
)
from app.domain.policies.task_kind import task_kind
from app.domain.routing import TaskKind
from app.services.catalogue.catalogue import Catalogue
from app.services.catalogue.snapshot import Snapshot
from app.services.chat.health import HealthBoard
from app.services.chat.learning import Learner

PLANS_KEPT = 1024
MOST_THINKERS = 2
"""Models that are tried one after the other before the writer answers alone."""
_WORDS: dict[Work, str] = {
    "chat": "answers",
    "picture": "draws pictures",
    "transcript": "writes transcripts",
    "embedding": "makes vectors",
}

PlanKey = tuple[str, tuple[str, ...], str | None, frozenset[str] | None, bool, bool, Work, bool]


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a request named. free: an alias left the choice to us, so that a strategy and affinity may order it."""

    plan: Plan
    free: int
    """How many of the plan's first candidates stand for the alias."""
    turns: Iterator[int] = field(default_factory=count)
    """A number that grows with each request for it."""


class LLMSelectorService:
    """Makes the plan of a request from the catalogue. What is asked often is worked out once a snapshot.

    learner: what was learned of models; the default strategy gives way to it where it knows enough."""

    def __init__(
        self, catalogue: Catalogue, health: HealthBoard, default_strategy: str, learner: Learner | None = None
    ) -> None:
        self._catalogue = catalogue
        self._health = health
        self._default_strategy = default_strategy
        self._learner = learner
        self._snapshot: Snapshot | None = None
        self._wishes: dict[PlanKey, _Wish] = {}

    def plan(self, request: ChatRequest) -> Plan:
        """The candidates for this request, at least one.

        Raises NotFound (unknown model), InvalidRequest (a wrong fallback), Forbidden (the key may not use it),
        UnsupportedMedia (none sees images), UpstreamFailed (none can answer now).
        """
        wish = self._wish(request)
        if wish.free < 2:
            return wish.plan
        free = wish.plan.candidates[: wish.free]
        strategy = self._strategy(request, free)
        if strategy in STEADY:
            return wish.plan
        insight = self._insight(free, next(wish.turns))
        if strategy == LEARNED:
            insight = self._taught(insight, _kind(request))
            free = tuple(replace(candidate, reason=LEARNED) for candidate in free)
        by_id = {candidate.model.id: candidate for candidate in free}
        order = STRATEGIES.get(strategy, priority)
        ordered = [by_id[model.id] for model in order([c.model for c in free], insight)]
        return replace(wish.plan, candidates=(*ordered, *wish.plan.candidates[wish.free :]))

    def thinkers(self, request: ChatRequest) -> Plan:
        """Who thinks for a request to a `mix`: the reasoner that was named, or those that the catalogue has.

        Raises as `plan` does.
        """
        snapshot = self._catalogue.snapshot()
        rows = snapshot.thinkers(request.model)
        _check_allowed(rows, request.caller.models, "model", request.model)
        chosen = tuple(
            Candidate(model, snapshot.pool(model), "thinks")
            for model in rows
            if unfit(model, Needs()) is None and _allowed(model, request.caller.models)
        )
        if not chosen:
            raise UpstreamFailed(f"no model can think for {request.model!r} now")
        return Plan(chosen[:MOST_THINKERS], ())

    def affine(self, request: ChatRequest, plan: Plan, last_model: str | None) -> Plan:
        """The plan with the model first that answered last, where the choice is ours and it is healthy: moving a
        conversation throws its provider's prompt cache away."""
        wish = self._wish(request)
        for index, candidate in enumerate(plan.candidates[: wish.free]):
            if candidate.model.name == last_model and not self._health.is_open(candidate.model.id):
                if index and candidate.reason == LEARNED and self._leaves(request, plan.candidates[: wish.free], index):
                    return plan
                first = replace(candidate, reason="affinity")
                return replace(plan, candidates=(first, *plan.candidates[:index], *plan.candidates[index + 1 :]))
        return plan

    def _strategy(self, request: ChatRequest, free: Sequence[Candidate]) -> str:
        learner, strategy = self._learner, request.strategy or self._default_strategy
        if request.work != "chat":  # of other works nothing is learned
            return priority.__name__ if strategy == LEARNED else strategy
        if request.strategy is None and learner is not None and learner.knows_any:
            models = [candidate.model for candidate in free]
            return LEARNED if learner.knows(_kind(request), models) else strategy
        return strategy

    def _leaves(self, request: ChatRequest, free: Sequence[Candidate], index: int) -> bool:
        """Whether a conversation goes from this candidate to another that is believed to be clearly better for what is
        asked now, or because its last answer was not what was wanted."""
        if request.conversation is not None and request.conversation.replaces:
            return True
        insight = self._taught(Insight(), _kind(request))
        held = stakes([candidate.model for candidate in free], insight.arms, insight.weights)
        return max(stake.value for stake in held) - held[index].value > WORTH_A_MOVE

    def _taught(self, insight: Insight, kind: TaskKind) -> Insight:
        if self._learner is None:
            return insight
        return replace(
            insight, arms=self._learner.beliefs(kind), weights=self._learner.weights, draw=random.betavariate
        )

    def _wish(self, request: ChatRequest) -> _Wish:
        snapshot = self._catalogue.snapshot()
        if snapshot is not self._snapshot or len(self._wishes) >= PLANS_KEPT:
            self._snapshot, self._wishes = snapshot, {}
        key = (
            request.model,
            request.fallbacks,
            request.strategy,
            request.caller.models,
            request.wants_images,
            request.wants_tools,
            request.work,
            request.door == "openai",
        )
        wish = self._wishes.get(key)
        if wish is None:
            if not snapshot.find(
                request.model, request.work
            ):  # another worker may have been given it within this second
                return self._make(self._catalogue.looked_again(), request)
            wish = self._wishes[key] = self._make(snapshot, request)
        return wish

    def _make(self, snapshot: Snapshot, request: ChatRequest) -> _Wish:
        work = _work(snapshot, request)
        # In a mix somebody describes the pictures to a writer that does not see.
        sees = request.wants_images and not is_mix(request.model)
        needs = Needs(images=sees, tools=request.wants_tools and work == "chat", work=work)
        chosen: list[Candidate] = []
        skipped: list[tuple[Model, str]] = []
        seen: set[str] = set()
        for model, reason in self._wished(snapshot, request, work):
            if model.id in seen:
                continue
            seen.add(model.id)
            why_not = unfit(model, needs) or _not_allowed(model, request.caller.models)
            if why_not is None:
                chosen.append(Candidate(model, snapshot.pool(model), reason))
            else:
                skipped.append((model, why_not))
        if not chosen:
            raise self._none_left(snapshot, request, needs, skipped)
        strategy = request.strategy or self._default_strategy
        if work == "embedding":
            del chosen[1:]  # vectors of two models cannot be compared
        # Who draws and who listens stands in the contract's order, whatever the strategy.
        free = sum(candidate.reason == strategy for candidate in chosen) if work == "chat" else 0
        return _Wish(Plan(tuple(chosen), tuple(skipped), work), free)

    def _wished(self, snapshot: Snapshot, request: ChatRequest, work: Work) -> Iterable[tuple[Model, str]]:
        """The models that were asked for, then the fallbacks, or the catalogue's own order where none are named."""
        strategy = request.strategy or self._default_strategy
        asked = snapshot.find(request.model, work)
        if not asked:
            raise self._unknown(snapshot, request, work)
        if not any(does(model, work) for model in asked):
            raise InvalidRequest(f"{request.model!r}: {NOT_ITS_WORK[work]}", field="model")
        _check_allowed(asked, request.caller.models, "model", request.model)
        if work != "chat" and request.model in snapshot.choices:
            yield from ((model, "priority") for model in asked)
        elif request.model in snapshot.choices:
            order = STRATEGIES.get(strategy, priority) if strategy in STEADY else priority
            yield from ((model, strategy) for model in order(asked, Insight()))
        else:
            yield from ((model, "asked for") for model in asked)
        for index, name in enumerate(request.fallbacks):
            rows = snapshot.find(name, work)
            if not rows:
                raise InvalidRequest(f"there is no model {name!r}", field=f"fallbacks[{index}]")
            _check_allowed(rows, request.caller.models, f"fallbacks[{index}]", name)
            yield from ((model, "fallback") for model in rows)
        if not request.fallbacks and any(model not in snapshot.demo for model in asked):
            others = snapshot.real or snapshot.demo if work == "chat" else snapshot.workers(work)
            yield from ((model, "catalogue") for model in others)

    def _unknown(self, snapshot: Snapshot, request: ChatRequest, work: Work) -> Exception:
        """The error of a name that means nothing, or nobody who does this work."""
        if request.model in snapshot.choices:
            return UpstreamFailed(f"no model here {_WORDS[work]}")
        if snapshot.find(request.model):
            return InvalidRequest(f"{request.model!r}: {NOT_ITS_WORK[work]}", field="model")
        return NotFound(f"there is no model {request.model!r}", field="model")

    def _insight(self, candidates: Sequence[Candidate], turn: int) -> Insight:
        keys = {candidate.model.integration: len(candidate.pool) for candidate in candidates}
        return Insight(turn, random.random, self._health.speeds, keys)

    def _none_left(
        self, snapshot: Snapshot, request: ChatRequest, needs: Needs, skipped: list[tuple[Model, str]]
    ) -> Exception:
        if needs.images and any(reason == BLIND for _, reason in skipped):
            seeing = [snapshot.shown_name(m) for m in snapshot.models if m.chat and "image" in m.inputs]
            said = "no model that may answer this sees images"
            return UnsupportedMedia(said, field="messages", details={"models": seeing})
        why = "; ".join(sorted({f"{model.name}: {reason}" for model, reason in skipped[:8]}))
        return UpstreamFailed(f"no model can answer {request.model!r} now ({why})")


def _work(snapshot: Snapshot, request: ChatRequest) -> Work:
    """What is asked for: by the request's own word, or by the name of a model that only draws where pictures can be
    given."""
    work = request.work
    if work == "chat" and request.door != "openai":
        rows = snapshot.find(request.model)
        if rows and not any(model.chat for model in rows) and any(does(model, "picture") for model in rows):
            return "picture"
    return work


def _kind(request: ChatRequest) -> TaskKind:
    """Of the new turn; what asks an old question again has none yet and passes for chat."""
    for message in reversed(request.messages):
        if message.role == "user":
            return task_kind(text_of(message.content), pictures=request.wants_images)
    return "chat"


def _allowed(model: Model, allowed: frozenset[str] | None) -> bool:
    return allowed is None or model.name in allowed or f"{model.integration}/{model.name}" in allowed


def _not_allowed(model: Model, allowed: frozenset[str] | None) -> str | None:
    return None if _allowed(model, allowed) else "not among the key's models"


def _check_allowed(rows: tuple[Model, ...], allowed: frozenset[str] | None, field: str, name: str) -> None:
    if allowed is not None and name not in allowed and not any(_allowed(m, allowed) for m in rows):
        raise Forbidden(f"this key may not use {name!r}", field=field)
