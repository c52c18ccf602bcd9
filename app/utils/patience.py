"""How long a call may still wait."""

from __future__ import annotations

import time


class Patience:
    """Two moments on the monotonic clock, shared by who reads the wire and who knows what content is.

    deadline: the call's end whatever comes. until: the end of the present silence, moved on by `content()`.
    tick: seconds without a byte after which the reader reports silence, so that a heartbeat can be written.
    """

    __slots__ = ("deadline", "got_content", "stall", "tick", "until")

    def __init__(self, *, deadline: float, first: float, stall: float, tick: float = 15.0) -> None:
        now = time.monotonic()
        self.deadline = deadline
        self.stall = stall
        self.tick = tick
        self.until = min(now + first, deadline)
        self.got_content = False

    def content(self) -> None:
        """Content came: the silence begins anew."""
        self.got_content = True
        self.until = time.monotonic() + self.stall

    @property
    def end(self) -> float:
        """The moment at which waiting must stop."""
        return min(self.until, self.deadline)
