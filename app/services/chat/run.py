"""The state of one chat between its admission and its settlement."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from app.domain.caller import Bound, Standing
from app.domain.catalogue import Model, Plan
from app.domain.chat import ChatRequest, Message
from app.domain.events import Attempt
from app.domain.hot import Admitted
from app.domain.ledger import StoredMessage
from app.domain.usage import Usage
from app.services.chat.transcript import Transcript


@dataclass(slots=True)
class ChatRun:
    """started: monotonic seconds; created_at: UTC.

    admitted: None where Redis was away at admission; bounds: what limited it there.
    row_id: the conversation's row, is_new: it has no row yet; window: what of it went into the prompt, rebuilt: the
        same where it was read from SQL, so that Redis can be given it again.
    prompt: what is sent; prompt_tokens: its estimated length.
    model, model_key: who answers, and the id of the key it was asked with; settled: the terminal state is written.
    transcript: what the caller was sent; own: what the present attempt has said, the same object unless it rescues.
    """

    request: ChatRequest
    plan: Plan
    started: float
    created_at: datetime
    admitted: Admitted | None = None
    bounds: tuple[Bound, ...] = ()
    row_id: str | None = None
    is_new: bool = False
    window: tuple[StoredMessage, ...] = ()
    rebuilt: tuple[StoredMessage, ...] | None = None
    prompt: tuple[Message, ...] = ()
    prompt_tokens: int = 0
    question: str = ""
    model: Model | None = None
    model_key: str | None = None
    usage: Usage | None = None
    transcript: Transcript = field(default_factory=Transcript)
    own: Transcript = field(default_factory=Transcript)
    attempts: list[Attempt] = field(default_factory=list)
    ttft_ms: int | None = None
    skipped_chunks: int = 0
    latency_ms: int = 0
    settled: bool = False

    def begin(self, model: Model, key_id: str, *, rescuing: bool) -> None:
        """An attempt begins; rescuing: it goes on from what the caller was sent."""
        self.model = model
        self.model_key = key_id
        self.usage = None
        self.own = Transcript()
        if not rescuing:
            self.transcript = self.own

    @property
    def degraded(self) -> str | None:
        """The store that was away at admission."""
        return "redis" if self.admitted is None else None

    @property
    def fallback(self) -> bool:
        """Whether another model answered than the first that was tried for."""
        first = self.plan.candidates[0].model
        return self.model is not None and self.model is not first

    @property
    def standing(self) -> Standing | None:
        """How the caller stood after the admission."""
        return self.admitted.standing if self.admitted else None
