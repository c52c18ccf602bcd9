"""Who is asked next: the candidates of a plan as far as they are left, and the keys they would be asked with."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from app.domain.catalogue import Candidate, Credential, Model
from app.domain.errors import ProviderFault
from app.domain.policies.retry import MOST_TRIES_ON_MODEL, Step
from app.services.chat.health import HealthBoard, Ticket

ESTIMATE_MARGIN = 1.5
LEAST_PAUSE = 0.01


@dataclass(frozen=True, slots=True)
class Turn:
    """Ask this candidate now."""

    candidate: Candidate
    ticket: Ticket

    @property
    def credential(self) -> Credential:
        return self.ticket.credential


@dataclass(frozen=True, slots=True)
class Pause:
    """Ask again after so many seconds; who may be asked then is not known before."""

    seconds: float


def _anyone(model: Model) -> bool:
    return True


class Agenda:
    """One chat's. patience: RETRY_AFTER_WAIT, the seconds that may be waited for a key of a model. may_ask: whether
    the caller's limits and money are enough for a model."""

    def __init__(
        self,
        candidates: tuple[Candidate, ...],
        health: HealthBoard,
        *,
        prompt_tokens: int,
        patience: float,
        preferred_key: str | None = None,
        may_ask: Callable[[Model], bool] = _anyone,
    ) -> None:
        self._all = candidates
        self._left = list(candidates)
        self._health = health
        self._prompt_tokens = prompt_tokens
        self._patience = patience
        self._preferred_key = preferred_key
        self._may_ask = may_ask
        self._tries: Counter[str] = Counter()
        self._waited: defaultdict[str, float] = defaultdict(float)
        self.passed: list[str] = []
        """Why those that were never asked were not, in the words of a fault."""

    def next(self) -> Turn | Pause | None:
        """The next one to ask, None where nobody is left. What is passed over now is not come back to."""
        while self._left:
            candidate = self._left[0]
            move = self._move(candidate)
            if move is not None:
                return move
            self._left.pop(0)
        return None

    def learn(self, turn: Turn, fault: ProviderFault, step: Step) -> None:
        """Put what a failed attempt means into the order of those left."""
        model = turn.candidate.model
        if fault.kind == "context_length_exceeded":
            self._left = [c for c in self._left if _is_larger(c, turn.candidate)]
        elif step.next in ("next_model", "rescue"):
            self._left = [c for c in self._left if c.model.id != model.id]

    def tries_on(self, turn: Turn) -> int:
        return self._tries[turn.candidate.model.id]

    def soonest(self) -> float | None:
        """Seconds until a candidate that has not failed may be asked again, None where none is held back."""
        waits = [max(self._health.wait_for_model(c.model.id), self._health.wait_for_key(c.pool)) for c in self._all]
        return min((wait for wait in waits if wait > 0), default=None)

    def _move(self, candidate: Candidate) -> Turn | Pause | None:
        model = candidate.model
        if self._tries[model.id] >= MOST_TRIES_ON_MODEL:
            return None
        if self._surely_too_long(candidate):
            self.passed.append("context_length_exceeded")
            return None
        if not self._may_ask(model):
            self.passed.append("rate_limited")
            return None
        ticket = self._health.ticket(model.id, candidate.pool, self._preferred_key)
        if ticket is not None:
            self._tries[model.id] += 1
            return Turn(candidate, ticket)
        return self._pause(candidate)

    def _pause(self, candidate: Candidate) -> Pause | None:
        """Wait for a key of the model that was wished for, or of the last one that is left, where that is soon."""
        model = candidate.model
        if self._health.wait_for_model(model.id):
            self._pass_over(candidate, "server_error")
            return None
        wait = max(self._health.wait_for_key(candidate.pool), LEAST_PAUSE)
        wished = candidate is self._all[0] or len(self._left) == 1
        if not wished or self._waited[model.id] + wait > self._patience:
            self._pass_over(candidate, "key_rejected" if self._health.are_out(candidate.pool) else "rate_limited")
            return None
        self._waited[model.id] += wait
        return Pause(wait)

    def _pass_over(self, candidate: Candidate, why: str) -> None:
        if not self._tries[candidate.model.id]:
            self.passed.append(why)

    def _surely_too_long(self, candidate: Candidate) -> bool:
        """Whether the prompt cannot fit however wrong the estimate is; what may fit, the provider is asked."""
        window = candidate.model.context_window
        too_long = window is not None and self._prompt_tokens > window * ESTIMATE_MARGIN
        return too_long and len(self._left) > 1


def _is_larger(candidate: Candidate, than: Candidate) -> bool:
    window, smaller = candidate.model.context_window, than.model.context_window
    return candidate.model.id != than.model.id and (window is None or smaller is None or window > smaller)
