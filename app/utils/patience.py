"""How long a call may still wait."""

from __future__ import annotations

import time


class Patience:
    """Two moments on the monotonic clock, shared by who reads the wire and who knows what content is.

    deadline: the call's end whatever comes. until: the end of the present silence, moved on by `content()`.
    tick: seconds without a byte after which the reader reports silence, so that a heartbeat can be written.
    idle: seconds during which nobody waited for the provider.
    """

    __slots__ = ("deadline", "got_content", "idle", "stall", "tick", "until")

    def __init__(self, *, deadline: float, first: float, stall: float, tick: float = 15.0) -> None:
        now = time.monotonic()
        self.deadline = deadline
        self.stall = stall
        self.tick = tick
        self.until = min(now + first, deadline)
        self.got_content = False
        self.idle = 0.0

    def content(self) -> None:
        """Content came: the silence begins anew."""
        self.got_content = True
        self.until = time.monotonic() + self.stall

    def rest(self, seconds: float) -> None:
        """For so long we did not listen (our own reader is slow): that is no silence of the provider's."""
        self.idle += seconds
        self.until += seconds

    @property
    def end(self) -> float:
        """The moment at which waiting must stop."""
        return min(self.until, self.deadline)
