"""One call of one provider while it lasts, and what the receipt says of it."""

from __future__ import annotations

from app.domain.errors import ProviderFault
from app.domain.events import Attempt, AttemptStarted, Delta, Notice, Picture, Vectors
from app.domain.usage import Usage
from app.services.chat.agenda import Turn
from app.services.chat.rescue import Rescue
from app.services.chat.run import ChatRun
from app.utils.clock import monotonic


class RunningAttempt:
    """rescue: how its text is joined to what another attempt has sent, None for a first one. notice: what the caller
    is told before its first content, where another model was to answer. idle: seconds that its reader kept it waiting.
    """

    __slots__ = ("_began", "_n", "_run", "_stopped", "idle", "notice", "rescue", "ttft_ms", "turn")

    def __init__(self, run: ChatRun, turn: Turn, rescue: Rescue | None, notice: Notice | None) -> None:
        self.turn = turn
        self.rescue = rescue
        self.notice = notice
        self.ttft_ms: int | None = None
        self.idle = 0.0
        self._run = run
        self._n = len(run.attempts) + 1
        self._began = monotonic()
        self._stopped: float | None = None

    @property
    def seconds(self) -> float:
        """How long it lasted, or has lasted."""
        return (self._stopped or monotonic()) - self._began

    def stop(self) -> None:
        """The provider is done with: what is waited for from here on is no part of it."""
        self._stopped = monotonic()

    def announced(self) -> AttemptStarted:
        candidate = self.turn.candidate
        model = candidate.model
        return AttemptStarted(self._n, model.name, model.integration, self._mask, candidate.reason)

    def said(self, delta: Delta) -> None:
        """Write down what it says."""
        if self.ttft_ms is None:
            self._spoke()
        self._run.own.add(delta)

    def drew(self, picture: Picture) -> None:
        """Write down what it draws."""
        if self.ttft_ms is None:
            self._spoke()
        self._run.own.pictures.append(picture)

    def embedded(self, vectors: Vectors) -> None:
        """Write down the vectors it made."""
        if self.ttft_ms is None:
            self._spoke()
        self._run.own.vectors += vectors.values

    def ended(self, fault: ProviderFault | None, following: str | None) -> Attempt:
        """Put it into the run's list and give it back."""
        model = self.turn.candidate.model
        attempt = Attempt(
            n=self._n,
            model=model.name,
            provider=model.integration,
            key_mask=self._mask,
            reason=self.turn.candidate.reason,
            started_ms=int((self._began - self._run.started) * 1000),
            latency_ms=int(self.seconds * 1000),
            ttft_ms=self.ttft_ms,
            status=fault.status if fault else 200,
            error=fault.kind if fault else None,
            usage=self._usage(),
            next=following,
        )
        self._run.attempts.append(attempt)
        return attempt

    def _usage(self) -> Usage | None:
        """Its own tokens, also where it failed: what it had said was paid for."""
        nothing = self._run.usage is None and self.ttft_ms is None
        return None if nothing else self._run.believed_usage()

    def _spoke(self) -> None:
        now = monotonic()
        self.ttft_ms = int((now - self._began) * 1000)
        if self._run.ttft_ms is None:
            self._run.ttft_ms = int((now - self._run.started) * 1000)

    @property
    def _mask(self) -> str | None:
        return self.turn.credential.mask or None
