"""How long a chat may wait: for a model's first word, between two, for all of it; and when its reader hears of us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.domain.catalogue import Model
from app.domain.policies.speed import Speed
from app.services.chat.agenda import Turn
from app.services.chat.run import ChatRun
from app.utils.clock import monotonic
from app.utils.patience import Patience

REASONING_FIRST_TOKEN = 60.0
PROBE_FIRST_TOKEN = 3.0
PROBE_FACTOR = 4
LEAST_TICK = 0.05
REPLY_TOKENS_A_SECOND = 25
REPLY_TOKENS_FREE = 3_000
HEARTBEAT = 15.0


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds, each a setting: REQUEST_TIMEOUT, STREAM_TIMEOUT, FIRST_TOKEN_TIMEOUT, STALL_TIMEOUT, REPLY_TIMEOUT.

    heartbeat: the silence after which a stream's reader is told that we are still here.
    """

    request: float
    stream: float
    first_token: float
    stall: float
    reply: float
    heartbeat: float = HEARTBEAT


class Timing:
    """One chat's, over all its attempts. speeds: how quick each model was of late."""

    def __init__(self, limits: Timeouts, run: ChatRun, speeds: Mapping[str, Speed]) -> None:
        self._limits = limits
        self._run = run
        self._speeds = speeds
        self._heard = monotonic()

    def is_over(self, wait: float = 0.0) -> bool:
        """Whether the chat's own time is up, or will be after so many seconds."""
        before_content = self._run.request.stream and not self._run.sent
        limit = self._limits.request if before_content else self._limits.stream
        return monotonic() + wait >= self._run.started + limit

    def beat(self, patience: Patience) -> None:
        """The reader was sent something: the next heartbeat is a whole interval away."""
        self._heard = monotonic()
        patience.tick = self._limits.heartbeat

    def patience(self, turn: Turn, *, stream: bool) -> Patience:
        """With the provider that is asked now. stream: whether it is asked for one."""
        run, limits, model = self._run, self._limits, turn.candidate.model
        deadline = run.started + limits.stream
        tick = max(self._heard + limits.heartbeat - monotonic(), LEAST_TICK)
        if not stream:
            extra = max(0, (run.request.max_tokens or 0) - REPLY_TOKENS_FREE) / REPLY_TOKENS_A_SECOND
            reply = limits.reply + extra
            return Patience(deadline=deadline, first=reply, stall=reply, tick=tick)
        first = max(limits.first_token, REASONING_FIRST_TOKEN) if model.reasoning else limits.first_token
        if turn.ticket.probes:
            first = min(first, self._probe_seconds(model))
        if run.request.stream and not run.sent:
            first = min(first, run.started + limits.request - monotonic())
        return Patience(deadline=deadline, first=max(first, 0.0), stall=limits.stall, tick=tick)

    def _probe_seconds(self, model: Model) -> float:
        """How long a caller waits to find out whether a model is back: much longer than it ever took, and not long.

        One that thinks first, and was not seen for a while, has all its time."""
        speed = self._speeds.get(model.id)
        if speed is None or not speed.ttft_ms:
            return REASONING_FIRST_TOKEN if model.reasoning else PROBE_FIRST_TOKEN
        return max(PROBE_FIRST_TOKEN, PROBE_FACTOR * speed.ttft_ms / 1000)
