"""What was learned of models: which of them serves which kind of task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

TaskKind = Literal["code", "maths", "writing", "translation", "vision", "chat"]
KINDS: tuple[TaskKind, ...] = ("code", "maths", "writing", "translation", "vision", "chat")

#: A model as `INTEGRATION/NAME`: rows of the ledger and of the catalogue meet in it.
ModelName = str


@dataclass(frozen=True, slots=True)
class Outcome:
    """A piece of evidence of how well a model served a task.

    good of weight: how much of the weight speaks for the model; with a weight of 0 it corrects what was said before.
    ratings: 1 where a person said it. chats: 1 for an answer, whose tokens and milliseconds follow.
    """

    kind: TaskKind
    model: ModelName
    user_id: str
    good: float
    weight: float
    ratings: float = 0
    chats: float = 0
    prompt: float = 0
    completion: float = 0
    ms: float = 0


@dataclass(slots=True)
class Arm:
    """What is known of one model at one kind of task. Sums that fade: each counts half after a half-life.

    good of weight: the evidence for it; ratings: as many opinions of people; chats: answers, with the sums of their
    tokens and milliseconds. samples: outcomes since ever, which do not fade. age: how often they have halved until
    `at` (unix seconds). last_user: whose evidence came last. recent: how good the last few were as (user, 0 to 1),
    oldest first, a few a user.
    """

    good: float = 0.0
    weight: float = 0.0
    ratings: float = 0.0
    chats: float = 0.0
    prompt: float = 0.0
    completion: float = 0.0
    ms: float = 0.0
    samples: int = 0
    age: float = 0.0
    at: float = 0.0
    last_user: str = ""
    recent: list[tuple[str, float]] = field(default_factory=list)


@dataclass(slots=True)
class Share:
    """How much of an arm's evidence is one user's; age: the arm's, when that was so."""

    good: float = 0.0
    weight: float = 0.0
    age: float = 0.0
