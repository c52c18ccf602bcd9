"""Learning by Thompson sampling which model serves a kind of task best. Pure.

Each model ("arm") of each kind of task has a Beta belief about how likely its answer satisfies. A choice draws one
number from each belief, less what cost and slowness weigh, and takes the highest: what is well known is chosen for
what it is worth, what is little known now and then for what it might be.

Evidence fades with time, and as newer comes to the same arm, so that a model that got worse is noticed soon and one
that got better in time. One user holds at most USER_WEIGHT of an arm's evidence, newer in the place of older, and does
not make that of others fade alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log2, sqrt
from typing import Final

from app.domain.catalogue import Model
from app.domain.money import Price
from app.domain.routing import Arm, ModelName, Outcome, Share, TaskKind

#: How much evidence of one user an arm holds at most: so much among others, and more as long as there are none.
USER_WEIGHT: Final = 25.0
ALONE_WEIGHT: Final = 100.0
#: Outcomes of an arm after which its evidence counts half, where users take turns.
MEMORY: Final = 200.0
#: What came last of an arm, and of that at most so much of one user: where it is worse than what is remembered, by so
#: many standard deviations and more, the memory is of another model than the one that answers now.
RECENT: Final = 32
RECENT_OF_ONE: Final = 3
RECENT_LEAST: Final = 12
SURPRISE: Final = 3.0
#: The weight on which it begins anew then.
ANEW: Final = 6.0
#: And the weight that is left of what is known of the other models at that kind of task.
DOUBTED: Final = 3.0
#: What a rating weighs beside an answer that nobody complained of.
RATING_WEIGHT: Final = 4.0
#: Bad answers that one complaint stands for: of two who are not served, one goes without a word.
COMPLAINT_WEIGHT: Final = 2.5
#: What is believed of a model before anything is known of it: more good than not, so that each gets its tries.
PRIOR_GOOD: Final = 3.0
PRIOR_BAD: Final = 0.5
#: How much surer than by the counts alone a draw is: less is spent on what is known to be worse.
SHARPNESS: Final = 2.0
#: Where nothing is known of a kind's prompts and answers, in tokens.
TYPICAL_PROMPT: Final = 300.0
TYPICAL_COMPLETION: Final = 300.0
#: `auto` goes by what was learned once two models have so much evidence, and so many opinions of people among it.
ENOUGH_WEIGHT: Final = 20.0
ENOUGH_RATINGS: Final = 5.0
#: A conversation leaves the model that served it last for one that is believed to be better by more than this.
WORTH_A_MOVE: Final = 0.15


@dataclass(slots=True)
class Book:
    """What outcomes change: arms, and users' shares of them, as far as they are loaded."""

    arms: dict[tuple[TaskKind, ModelName], Arm] = field(default_factory=dict)
    shares: dict[tuple[TaskKind, ModelName, str], Share] = field(default_factory=dict)

    def learn(self, outcomes: Sequence[Outcome], now: float, half_life: float) -> None:
        """Take these in, in their order. now: unix seconds; half_life: seconds after which evidence counts half."""
        for outcome in outcomes:
            arm = self.arms.setdefault((outcome.kind, outcome.model), Arm(at=now))
            share = self.shares.setdefault((outcome.kind, outcome.model, outcome.user_id), Share(age=arm.age))
            fade(arm, now, half_life)
            if outcome.weight and arm.last_user != outcome.user_id:
                halve(arm, 1.0 / MEMORY)
                arm.last_user = outcome.user_id
            _add(arm, share, outcome)
            _remember(arm, outcome)
            if _surprised(arm):
                _forget(arm)
                self._doubt(outcome.kind, arm, now, half_life)

    def _doubt(self, kind: TaskKind, fallen: Arm, now: float, half_life: float) -> None:
        """One model is not what it was: less is held of what is known of the others, so that they are tried again."""
        for (of, _), arm in self.arms.items():
            if of == kind and arm is not fallen:
                fade(arm, now, half_life)
                if arm.weight > DOUBTED:
                    halve(arm, log2(arm.weight / DOUBTED))


def _add(arm: Arm, share: Share, outcome: Outcome) -> None:
    kept = 0.5 ** (arm.age - share.age)
    before = share.good * kept, share.weight * kept
    weight = before[1] + outcome.weight
    good = min(max(before[0] + outcome.good, 0.0), weight)
    most = max(USER_WEIGHT, ALONE_WEIGHT - max(arm.weight - before[1], 0.0))
    if weight > most:
        good, weight = good * most / weight, most
    share.good, share.weight, share.age = good, weight, arm.age
    arm.weight = max(arm.weight + weight - before[1], 0.0)
    arm.good = min(max(arm.good + good - before[0], 0.0), arm.weight)
    arm.ratings += outcome.ratings
    arm.chats += outcome.chats
    arm.prompt += outcome.prompt
    arm.completion += outcome.completion
    arm.ms += outcome.ms
    arm.samples += 1 if outcome.weight else 0


def _remember(arm: Arm, outcome: Outcome) -> None:
    """Keep how good the last were, one as much as another: a rating weighs more, and is one word all the same."""
    mine = [place for place, piece in enumerate(arm.recent) if piece[0] == outcome.user_id]
    if outcome.good < 0 or not outcome.weight:
        if mine and outcome.good < 0:
            arm.recent[mine[-1]] = (outcome.user_id, 0.0)  # it takes back the last that this user said
        return
    if len(mine) >= RECENT_OF_ONE:
        del arm.recent[mine[0]]
    elif len(arm.recent) >= RECENT:
        del arm.recent[0]
    arm.recent.append((outcome.user_id, min(outcome.good / outcome.weight, 1.0)))


def _surprised(arm: Arm) -> bool:
    """Whether what came last is so much worse than what is remembered that it cannot be chance."""
    seen = len(arm.recent)
    if seen < RECENT_LEAST or arm.weight <= 1.5 * seen:
        return False
    mean = (sum(piece[1] for piece in arm.recent) + 1) / (seen + 2)
    # A complaint counts as several bad answers in the sums, and as one among the last.
    remembered = arm.good / arm.weight
    expected = 1 - (1 - remembered) / (1 + (COMPLAINT_WEIGHT - 1) * remembered)
    return expected - mean > SURPRISE * sqrt(mean * (1 - mean) / seen)


def _forget(arm: Arm) -> None:
    """Begin anew from what came last, on little weight, since that too may be chance; users' shares fade by as much."""
    mean = sum(piece[1] for piece in arm.recent) / len(arm.recent)
    halve(arm, log2(arm.weight / ANEW))
    arm.good, arm.weight = ANEW * mean, ANEW
    arm.recent.clear()


def fade(arm: Arm, now: float, half_life: float) -> None:
    """Bring an arm's sums to this moment (unix seconds); one before its last changes nothing."""
    if now > arm.at:
        halve(arm, (now - arm.at) / half_life)
        arm.at = now


def halve(arm: Arm, times: float) -> None:
    """Let an arm's evidence count half, so many times."""
    kept = 0.5**times
    arm.good *= kept
    arm.weight *= kept
    arm.ratings *= kept
    arm.chats *= kept
    arm.prompt *= kept
    arm.completion *= kept
    arm.ms *= kept
    arm.age += times


@dataclass(frozen=True, slots=True)
class Weights:
    """What the dearest, and the slowest, of the candidates loses for it; a belief is from 0 to 1."""

    cost: float = 0.2
    latency: float = 0.1


@dataclass(frozen=True, slots=True)
class Stake:
    """What is held of a candidate: alpha and beta of its belief, and what cost (nano-USD) and milliseconds take off."""

    alpha: float
    beta: float
    cost: float | None
    ms: float
    minus: float

    @property
    def mean(self) -> float:
        return self.alpha / (self.alpha + self.beta)

    @property
    def value(self) -> float:
        """What it is believed to be worth."""
        return self.mean - self.minus


_UNKNOWN: Final = Arm()


def name_of(model: Model) -> ModelName:
    return f"{model.integration}/{model.name}"


def stakes(models: Sequence[Model], arms: Mapping[ModelName, Arm], weights: Weights) -> list[Stake]:
    """What is held of each of these, in their order, from the arms of one kind of task."""
    known = [arms.get(name_of(model), _UNKNOWN) for model in models]
    costs = _costs(models, known)
    times = _times(known)
    dearest = max((cost for cost in costs if cost is not None), default=0.0)
    slowest = max(times, default=0.0)
    found: list[Stake] = []
    for arm, cost, ms in zip(known, costs, times, strict=True):
        # A price that nobody knows is taken for the highest.
        dear = 1.0 if cost is None else cost / dearest if dearest else 0.0
        slow = ms / slowest if slowest else 0.0
        minus = weights.cost * dear + weights.latency * slow
        sure = 1.0 + (SHARPNESS - 1.0) * arm.weight / (arm.weight + USER_WEIGHT)
        alpha, beta = PRIOR_GOOD + arm.good * sure, PRIOR_BAD + (arm.weight - arm.good) * sure
        found.append(Stake(alpha, beta, cost, ms, minus))
    return found


def _costs(models: Sequence[Model], arms: Sequence[Arm]) -> list[float | None]:
    """What an answer of each costs, for the same prompt: what was asked of one and not of another is no fault of it."""
    chats = sum(arm.chats for arm in arms)
    prompt = sum(arm.prompt for arm in arms) / chats if chats else TYPICAL_PROMPT
    completion = sum(arm.completion for arm in arms) / chats if chats else TYPICAL_COMPLETION
    # An answer's length is a model's own once a few were seen.
    return [
        _cost(model.price, prompt, (arm.completion + 2 * completion) / (arm.chats + 2))
        for model, arm in zip(models, arms, strict=True)
    ]


def _cost(price: Price | None, prompt: float, completion: float) -> float | None:
    return None if price is None else (price.input * prompt + price.output * completion) / 1_000_000


def _times(arms: Sequence[Arm]) -> list[float]:
    """Milliseconds of an answer; a model that was never seen is taken for as quick as the others are."""
    chats = sum(arm.chats for arm in arms)
    usual = sum(arm.ms for arm in arms) / chats if chats else 0.0
    return [(arm.ms + usual) / (arm.chats + 1) for arm in arms]


def sampled(
    models: Sequence[Model],
    arms: Mapping[ModelName, Arm],
    weights: Weights,
    draw: Callable[[float, float], float],
) -> list[Model]:
    """The models in the order of one draw from what is believed of each. draw: a number from Beta(alpha, beta)."""
    held = stakes(models, arms, weights)
    drawn = [draw(stake.alpha, stake.beta) - stake.minus for stake in held]
    return [model for _, model in sorted(zip(drawn, models, strict=True), key=lambda pair: -pair[0])]


def known_enough(arm: Arm) -> bool:
    """Whether there is enough of this model's evidence to be gone by unasked."""
    return arm.weight >= ENOUGH_WEIGHT and arm.ratings >= ENOUGH_RATINGS
