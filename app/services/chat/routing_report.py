"""What is believed of models, and why, for who wants to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from app.domain.catalogue import Model
from app.domain.policies.bandit import Stake, name_of, stakes
from app.domain.routing import KINDS, Arm, ModelName, TaskKind
from app.services.chat.learning import Learner
from app.utils.pools import ThreadLane

#: Draws of which the shares and the intervals are.
DRAWS: Final = 200


@dataclass(frozen=True, slots=True)
class Belief:
    """Of one model at one kind of task. low, high: between them lies the mean with 90 % certainty.

    value: the mean less what cost and slowness take off. share: how often it would be chosen first now, from 0 to 1.
    """

    model: Model
    arm: Arm
    stake: Stake
    low: float
    high: float
    share: float


@dataclass(frozen=True, slots=True)
class KindReport:
    """auto: enough is known of this kind for `auto` to go by it. beliefs: the most worth first."""

    kind: TaskKind
    auto: bool
    beliefs: tuple[Belief, ...]


#: Thousands of draws are not made on the loop.
_LANE: Final = ThreadLane(1)


def report(learner: Learner, models: Sequence[Model]) -> list[KindReport]:
    """What is held of these candidates. Raises Unavailable where it cannot be read."""
    learner.look()
    beliefs = {kind: learner.beliefs(kind) for kind in KINDS}
    dice = Random(1)  # the same beliefs make the same report
    return _LANE.run(lambda: [_of_kind(learner, kind, models, arms, dice) for kind, arms in beliefs.items()])


def _of_kind(
    learner: Learner, kind: TaskKind, models: Sequence[Model], arms: Mapping[ModelName, Arm], dice: Random
) -> KindReport:
    held = stakes(models, arms, learner.weights)
    drawn = [[dice.betavariate(stake.alpha, stake.beta) for _ in range(DRAWS)] for stake in held]
    first = [0] * len(models)
    for turn in range(DRAWS):
        first[max(range(len(models)), key=lambda n, turn=turn: drawn[n][turn] - held[n].minus)] += 1  # type: ignore[misc]
    beliefs = [
        Belief(
            model,
            arms.get(name_of(model), Arm()),
            held[n],
            sorted(drawn[n])[DRAWS // 20],
            sorted(drawn[n])[-DRAWS // 20],
            first[n] / DRAWS,
        )
        for n, model in enumerate(models)
    ]
    beliefs.sort(key=lambda belief: -belief.stake.value)
    return KindReport(kind, learner.knows(kind, models), tuple(beliefs))
