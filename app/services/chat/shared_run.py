"""What those who share a call have of it: its state, and their place in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

from gevent.event import Event

from app.domain.catalogue import Model
from app.domain.errors import BudgetExceeded, DomainError, RateLimited
from app.domain.events import Delta, Picture
from app.services.chat.run import ChatRun
from app.services.ledger.journal import Asked
from app.utils.cancel import Cancel

_FIELDS = tuple(field.name for field in fields(ChatRun))


class SharedRun(ChatRun):
    """The call's own state: that of the first who asked, whose limits and trail are changed for another's."""

    __slots__ = ("hand_over",)

    hand_over: Callable[[DomainError], bool]

    @classmethod
    def of(cls, chat: ChatRun, hand_over: Callable[[DomainError], bool]) -> SharedRun:
        """hand_over: told why the one who pays cannot any more; False where nobody else can."""
        run = cls(*[getattr(chat, name) for name in _FIELDS])
        run.hand_over, run.attempts = hand_over, []
        return run

    def flowed(self, delta: Delta | Picture) -> None:
        try:
            ChatRun.flowed(self, delta)
        except (BudgetExceeded, RateLimited) as refused:
            if not self.hand_over(refused):
                raise

    def may_ask(self, model: Model) -> bool:
        while not ChatRun.may_ask(self, model):
            refused = self.hold.refused if self.hold is not None else None
            if refused is None or not self.hand_over(refused):
                return False
        return True

    def pay_from(self, chat: ChatRun) -> None:
        """From here on this one pays, for what was said so far too. Raises BudgetExceeded or RateLimited."""
        hold, trail = chat.hold, chat.trail
        model = self.model or self.plan.candidates[0].model
        lost = self.spent_on(self.attempts)
        said = self.own.answers()
        so_far = Delta("".join(a.text for a in said), "".join(a.reasoning for a in said))
        if hold is not None and hold.metered:
            hold.begin(model, self.asked_tokens, lost, self.count)
            if said:
                hold.flowed(so_far)
        if trail is not None:
            trail.asks(Asked(model.name, model.integration, model.price, lost, begun=not self.request.stream))
            if said:
                trail.flowed(so_far)
        self.hold, self.trail = hold, trail


class Member:
    """One who asked. at: how many of the call's events it was given; error: what ends it alone."""

    __slots__ = ("at", "cancel", "chat", "error", "leaves", "news", "waits")

    leaves: Callable[[], None]

    def __init__(self, chat: ChatRun, cancel: Cancel) -> None:
        self.chat = chat
        self.cancel = cancel
        self.at = 0
        self.error: DomainError | None = None
        self.news = Event()
        self.waits = False

    def wake(self) -> None:
        if self.waits:
            self.news.set()

    def wait(self, seconds: float) -> bool:
        """Until there is news; False where that took longer."""
        self.news.clear()
        self.waits = True
        try:
            return bool(self.news.wait(seconds))
        finally:
            self.waits = False
