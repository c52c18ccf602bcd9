"""Who is asked next: the candidates of a plan as far as they are left, and the keys they would be asked with."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from app.domain.catalogue import Candidate, Credential
from app.domain.errors import ProviderFault
from app.domain.policies.retry import MOST_TRIES_ON_MODEL, Step
from app.services.chat.health import HealthBoard

ESTIMATE_MARGIN = 1.5


@dataclass(frozen=True, slots=True)
class Turn:
    """Ask this candidate with this key, after so many seconds."""

    candidate: Candidate
    credential: Credential
    wait: float = 0.0


class Agenda:
    """One chat's. patience: RETRY_AFTER_WAIT, the seconds that may be waited for the model that stands first."""

    def __init__(
        self,
        candidates: tuple[Candidate, ...],
        health: HealthBoard,
        *,
        prompt_tokens: int,
        patience: float,
        preferred_key: str | None = None,
    ) -> None:
        self._left = list(candidates)
        self._health = health
        self._prompt_tokens = prompt_tokens
        self._patience = patience
        self._preferred_key = preferred_key
        self._tries: Counter[str] = Counter()
        self._waited: Counter[str] = Counter()
        self.soonest: float | None = None

    def next(self) -> Turn | None:
        """The next one to ask, None where nobody is left. What is passed over now is not come back to."""
        while self._left:
            candidate = self._left[0]
            turn = self._turn(candidate)
            if turn is not None:
                self._tries[candidate.model.id] += 1
                return turn
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

    def _turn(self, candidate: Candidate) -> Turn | None:
        model = candidate.model
        if self._tries[model.id] >= MOST_TRIES_ON_MODEL or self._surely_too_long(candidate):
            return None
        credential = self._health.credential(candidate.pool, self._preferred_key)
        wait = 0.0
        if credential is None:
            wait = self._health.wait_for_key(candidate.pool)
            if self._waited[model.id] + wait > self._patience:
                self._note_wait(wait)
                return None
            self._waited[model.id] += wait  # type: ignore[assignment]  # a Counter adds seconds as well
        elif not self._tries[model.id] and not self._health.may_pass(model.id):
            self._note_wait(self._health.wait_for_model(model.id))
            return None
        return Turn(candidate, credential or candidate.pool[0], wait)

    def _note_wait(self, seconds: float) -> None:
        self.soonest = seconds if self.soonest is None else min(self.soonest, seconds)

    def _surely_too_long(self, candidate: Candidate) -> bool:
        """Whether the prompt cannot fit however wrong the estimate is; what may fit, the provider is asked."""
        window = candidate.model.context_window
        too_long = window is not None and self._prompt_tokens > window * ESTIMATE_MARGIN
        return too_long and len(self._left) > 1


def _is_larger(candidate: Candidate, than: Candidate) -> bool:
    window, smaller = candidate.model.context_window, than.model.context_window
    return candidate.model.id != than.model.id and (window is None or smaller is None or window > smaller)
