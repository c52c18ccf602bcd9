"""Learns from what users say and do which model serves which kind of task, and says what is believed.

A chat asks only memory: what is believed is read from SQL from time to time, and what was seen is written there in
batches, after the replies.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import gevent

from app.domain.catalogue import Model
from app.domain.errors import Unavailable
from app.domain.finished import Finished
from app.domain.policies import bandit, evidence
from app.domain.policies.bandit import Weights
from app.domain.policies.breaker import COUNTED
from app.domain.policies.task_kind import task_kind
from app.domain.ratings import Rated
from app.domain.routing import Arm, ModelName, Outcome, TaskKind
from app.services.catalogue.snapshot import AUTO, IMAGE

log = logging.getLogger(__name__)

#: Seconds between two batches, and between two looks at what other workers learned.
EVERY: Final = 2.0
#: What waits to be learned; more comes only while the database is away, and is let go.
MOST_WAITING: Final = 10_000
#: Answers whose kind of task is remembered for the rating that may come.
REMEMBERED: Final = 10_000
PRUNE_SECONDS: Final = 3600.0

Beliefs = Mapping[TaskKind, Mapping[ModelName, Arm]]


class Kept(Protocol):
    """Where what was learned is. Every method raises Unavailable."""

    def learn(self, outcomes: Sequence[Outcome], now: float, half_life: float) -> None: ...

    def all(self) -> dict[TaskKind, dict[ModelName, Arm]]: ...

    def prune(self, now: float, half_life: float) -> None: ...

    def answer(self, user_id: str, prompt_id: str) -> tuple[ModelName, str | None] | None:
        """Who answered, and the question where it is kept."""


class Learner:
    """One a worker. half_life: seconds after which evidence counts half. clock: unix seconds."""

    def __init__(self, kept: Kept, weights: Weights, half_life: float, clock: Callable[[], float] = time.time) -> None:
        self.weights = weights
        self._kept = kept
        self._half_life = half_life
        self._clock = clock
        self._waiting: deque[Finished | Rated] = deque(maxlen=MOST_WAITING)
        self._kinds: OrderedDict[str, TaskKind] = OrderedDict()
        self._beliefs: Beliefs = {}
        self._ready: Mapping[TaskKind, frozenset[ModelName]] = {}
        self._wanted = True
        self._pruned = 0.0
        self._loop: gevent.Greenlet | None = None

    # --- what a chat asks, from memory --------------------------------------------------------------------------

    def beliefs(self, kind: TaskKind) -> Mapping[ModelName, Arm]:
        self._wanted = True
        return self._beliefs.get(kind, {})

    @property
    def knows_any(self) -> bool:
        """Whether there is a kind of task of which enough is known to go by it unasked."""
        return bool(self._ready)

    def knows(self, kind: TaskKind, models: Sequence[Model]) -> bool:
        """Whether enough is known of two of these models at least."""
        ready = self._ready.get(kind)
        return ready is not None and sum(bandit.name_of(model) in ready for model in models) >= 2

    # --- what it is told ----------------------------------------------------------------------------------------

    def finished(self, ended: Finished) -> None:
        """Told of each chat; only where the choice was ours is there something to learn."""
        asked = ended.request
        if asked.model in (AUTO, IMAGE) and asked.work == "chat" and not ended.row.cached:
            self._wanted = True
            self._waiting.append(ended)

    def rated(self, rated: Rated) -> None:
        self._waiting.append(rated)

    # --- its own time -------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to learn, in the process that serves."""
        self._loop = gevent.spawn(self._forever)

    def stop(self) -> None:
        if self._loop is not None:
            self._loop.kill()
        try:
            self.learn()
        except Unavailable:
            log.warning("%d pieces of evidence are lost: the database is away", len(self._waiting))

    def learn(self) -> None:
        """Write what was seen. Raises Unavailable, and keeps it."""
        taken = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if not taken:
            return
        self._wanted = True
        try:
            self._kept.learn(
                [outcome for one in taken for outcome in self._outcomes(one)], self._clock(), self._half_life
            )
        except Unavailable:
            self._waiting.extendleft(reversed(taken))
            raise

    def look(self) -> None:
        """Read what all workers have learned. Raises Unavailable."""
        found, now = self._kept.all(), self._clock()
        for arms in found.values():
            for arm in arms.values():
                bandit.fade(arm, now, self._half_life)
        self._beliefs = found
        known = {
            kind: frozenset(name for name, arm in arms.items() if bandit.known_enough(arm))
            for kind, arms in found.items()
        }
        self._ready = {kind: names for kind, names in known.items() if len(names) >= 2}

    def _forever(self) -> None:
        while True:
            try:
                self.learn()
                if self._wanted:
                    self._wanted = False
                    self.look()
                self._prune()
            except Unavailable:
                self._wanted = True
            except Exception:
                log.exception("what was seen could not be learned")  # a bug, but not one that may end the loop
            gevent.sleep(EVERY)

    def _prune(self) -> None:
        now = self._clock()
        if now - self._pruned > PRUNE_SECONDS and self._beliefs:
            self._pruned = now
            self._kept.prune(now, self._half_life)

    # --- what things say ----------------------------------------------------------------------------------------

    def _outcomes(self, told: Finished | Rated) -> list[Outcome]:
        return self._of_rating(told) if isinstance(told, Rated) else self._of_chat(told)

    def _of_rating(self, told: Rated) -> list[Outcome]:
        said = told.rating
        kind = self._kinds.get(said.prompt_id)
        if kind is None:
            found = self._kept.answer(said.user_id, said.prompt_id)
            if found is None or found[1] is None:
                return []  # nothing says what it was about
            kind = task_kind(found[1])
        name = f"{said.provider}/{said.model}"
        return [evidence.rated(kind, name, said.user_id, said.rating, told.before)]

    def _of_chat(self, ended: Finished) -> list[Outcome]:
        row, user_id = ended.row, ended.row.user_id
        kind = self._remembered(row.prompt_id, task_kind(ended.question, pictures=ended.pictures))
        found = [
            evidence.failed(kind, f"{attempt.provider}/{attempt.model}", user_id)
            for attempt in ended.attempts
            if attempt.error in COUNTED
        ]
        if row.state == "complete":
            ms = ended.attempts[-1].latency_ms if ended.attempts else row.latency_ms
            found.append(evidence.answered(kind, f"{row.provider}/{row.model}", user_id, row.usage, ms))
        before = self._complained_of(ended)
        answer = self._kept.answer(user_id, before) if before else None
        if before and answer is not None:
            spoken = self._kinds.get(before) or (task_kind(answer[1]) if answer[1] else kind)
            found.append(evidence.complained(spoken, answer[0], user_id))
        return found

    @staticmethod
    def _complained_of(ended: Finished) -> str | None:
        """The prompt_id of the answer that this chat says was none."""
        home = ended.request.conversation
        if home is not None and home.replaces:
            return home.replaces
        if ended.earlier is not None and evidence.asked_again(ended.earlier.content, ended.question):
            return ended.earlier.prompt_id
        return None

    def _remembered(self, prompt_id: str, kind: TaskKind) -> TaskKind:
        self._kinds[prompt_id] = kind
        if len(self._kinds) > REMEMBERED:
            self._kinds.popitem(last=False)
        return kind
