"""Which models may answer a request, and in what order. Pure: models, needs and health in, an order out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from app.domain.catalogue import Model
from app.domain.chat import Work
from app.domain.policies.bandit import Weights, sampled
from app.domain.policies.speed import Speed
from app.domain.routing import Arm, ModelName

BLIND = "does not see images"


@dataclass(frozen=True, slots=True)
class Needs:
    """What a request asks of a model. tokens: the prompt's length, as far as it is known."""

    images: bool = False
    tools: bool = False
    tokens: int = 0
    work: Work = "chat"


@dataclass(frozen=True, slots=True)
class Insight:
    """What an order may go by. turn: grows with each request; dice: a number from 0 to 1 a call; speeds: by model id;
    keys: how many keys each integration has; arms: what was learned of models at this kind of task; weights: what cost
    and slowness weigh against that; draw: a number from a Beta distribution."""

    turn: int = 0
    dice: Callable[[], float] = field(default=lambda: 0.5)
    speeds: Mapping[str, Speed] = field(default_factory=dict)
    keys: Mapping[str, int] = field(default_factory=dict)
    arms: Mapping[ModelName, Arm] = field(default_factory=dict)
    weights: Weights = field(default_factory=Weights)
    draw: Callable[[float, float], float] = lambda alpha, beta: alpha / (alpha + beta)


#: Why a model cannot do a work that it is not for.
NOT_ITS_WORK: Mapping[Work, str] = {
    "chat": "no chat model",
    "picture": "draws no pictures",
    "transcript": "writes no transcripts",
    "embedding": "makes no vectors",
}
#: What a model gives that is for a work.
GIVES: Mapping[Work, str] = {
    "chat": "text",
    "picture": "image",
    "transcript": "transcript",
    "embedding": "embedding",
}


def does(model: Model, work: Work) -> bool:
    """Whether a model is for this work."""
    if work == "chat":
        return model.chat
    return GIVES[work] in model.outputs


def work_of(model: Model) -> Work:
    """What a model is for, first of all."""
    works: tuple[Work, ...] = ("chat", "picture", "transcript", "embedding")
    return next((work for work in works if does(model, work)), "chat")


def unfit(model: Model, needs: Needs) -> str | None:
    """Why this model cannot serve these needs, None where it can. What is not known is no reason."""
    if model.unavailable is not None:
        return model.unavailable
    if not model.active:
        return "switched off"
    if not does(model, needs.work):
        return NOT_ITS_WORK[needs.work]
    if not model.abilities_known:
        return None
    if needs.images and "image" not in model.inputs:
        return BLIND
    if needs.tools and not model.tools:
        return "uses no tools"
    if model.context_window is not None and needs.tokens > model.context_window:
        return "context window too small"
    return None


Order = Callable[[Sequence[Model], Insight], list[Model]]


def priority(models: Sequence[Model], insight: Insight) -> list[Model]:
    """The catalogue's own order."""
    return sorted(models, key=lambda m: m.rank)


def lowest_cost(models: Sequence[Model], insight: Insight) -> list[Model]:
    """The cheapest first, by the price of as many tokens out as in; an unknown price comes last."""

    def cost(model: Model) -> tuple[bool, int, int]:
        price = model.price
        return price is None, price.input + price.output if price else 0, model.rank

    return sorted(models, key=cost)


def round_robin(models: Sequence[Model], insight: Insight) -> list[Model]:
    """Each in turn is the first."""
    ordered = priority(models, insight)
    first = insight.turn % len(ordered) if ordered else 0
    return ordered[first:] + ordered[:first]


def weighted(models: Sequence[Model], insight: Insight) -> list[Model]:
    """By chance, each weighing as much as it can carry: its requests a minute where they are limited, times the keys
    of its provider."""

    def weight(model: Model) -> int:
        return max(1, model.rpm or 60) * max(1, insight.keys.get(model.integration, 1))

    # Efraimidis and Spirakis, "Weighted random sampling with a reservoir", 2006: order by u^(1/w).
    return sorted(models, key=lambda m: -(insight.dice() ** (1.0 / weight(m))))


def least_latency(models: Sequence[Model], insight: Insight) -> list[Model]:
    """The quickest of late first; one that was not seen yet before all, so that it is."""

    def time(model: Model) -> tuple[float, int]:
        speed = insight.speeds.get(model.id)
        return speed.answer_ms if speed else 0.0, model.rank

    return sorted(models, key=time)


def learned(models: Sequence[Model], insight: Insight) -> list[Model]:
    """By what users were served well with at this kind of task; what is little known gets its chance."""
    return sampled(priority(models, insight), insight.arms, insight.weights, insight.draw)


LEARNED = "learned"

STRATEGIES: dict[str, Order] = {
    "priority": priority,
    "weighted": weighted,
    "round_robin": round_robin,
    "least_latency": least_latency,
    "lowest_cost": lowest_cost,
    LEARNED: learned,
}

#: Orders that are the same from request to request while the catalogue stands.
STEADY = frozenset({"priority", "lowest_cost"})
