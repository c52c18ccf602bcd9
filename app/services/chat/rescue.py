"""A broken answer taken up by another model: what it is asked, and how its text is joined to what was sent."""

from __future__ import annotations

from collections.abc import Iterator

from app.domain.chat import Message
from app.domain.errors import ProviderFault
from app.domain.events import ChatEvent, Delta, Restart
from app.domain.policies.splice import Afresh, Continuation, Joined


class Diverged(ProviderFault):
    """The rescuer's answer is not the one the caller has begun to read. No fault of the rescuer's."""

    def __init__(self) -> None:
        super().__init__("cut", "another model's answer does not agree with what was sent", status=200)


class Rescue:
    """One rescuing attempt.

    sent: the text the caller has. continuing: the model is asked to go on from it, else the whole question again.
    may_restart: the caller can be told to throw away what it has; else a different answer is a fault.
    """

    def __init__(self, sent: str, model: str, *, continuing: bool, may_restart: bool) -> None:
        self.sent = sent
        self.continuing = continuing
        self.restarted = False
        self._asked = sent.rstrip()
        self._join = Continuation(sent, self._asked) if continuing else Afresh(sent)
        self._model = model
        self._may_restart = may_restart

    def prompt(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """What is sent to the rescuer."""
        return (*messages, Message("assistant", self._asked)) if self.continuing else messages

    def take(self, delta: Delta) -> Iterator[ChatEvent]:
        """What of a delta goes on to the caller. Its thoughts do not: the caller has read another's.

        Raises Diverged where the answers differ and the caller cannot be told to begin again.
        """
        if self.restarted:
            yield delta
            return
        if delta.text:
            yield from self._joined(self._join.feed(delta.text))
        if delta.tool_calls:
            if not self.restarted:
                yield from self._joined(self._join.end())
            yield Delta(tool_calls=delta.tool_calls)

    def end(self) -> Iterator[ChatEvent]:
        """The rescuer's answer is whole: what was held back, or the news that it is another one."""
        if not self.restarted:
            yield from self._joined(self._join.end())

    def _joined(self, joined: Joined) -> Iterator[ChatEvent]:
        if joined.diverged:
            yield from self._begin_again()
        elif joined.text:
            yield Delta(joined.text)

    def _begin_again(self) -> Iterator[ChatEvent]:
        if not self._may_restart:
            raise Diverged
        self.restarted = True
        yield Restart(self._model, "the answer broke off and another model answers anew")
        text = self._join.text
        if text:
            yield Delta(text)
