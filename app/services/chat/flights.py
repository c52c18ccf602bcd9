"""Equal requests in flight: one call of a provider, heard by all who asked.

The first to ask drives the call itself, as if nobody else were there. Once a second one joins, a greenlet of its own
drives it, so that no reader holds up another and none who leaves ends it for the rest. One of those who asked pays for
the call at any time; where that one leaves, or runs out of money, the next takes it over, and whoever holds it at its
end bears all of it.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace

import gevent

from app.domain.errors import BudgetExceeded, DomainError, InternalError, RateLimited, UpstreamFailed
from app.domain.events import Attempt, AttemptStarted, CacheLook, ChatEvent, Delta, Restart, Silence
from app.services.chat.replay import pieces
from app.services.chat.run import ChatRun
from app.services.chat.settlement import asks
from app.services.chat.shared_run import Member, SharedRun
from app.services.chat.transcript import Transcript
from app.services.ledger.journal import Asked
from app.utils.cancel import CLIENT_GONE, Cancel
from app.utils.clock import monotonic

log = logging.getLogger(__name__)

STOP_SECONDS = 2.0
"""For a call that was stopped to let go of its connection."""

Source = Generator[ChatEvent, None, None]


_OF_THE_CALL = (
    "asides", "asked_tokens", "attempts", "cached", "hold", "model", "model_key", "others", "own", "plan",
    "skipped_chunks", "sources", "thoughts", "trail", "transcript", "ttft_ms", "usage",
)  # fmt: skip


class Flight:
    """One call and those who hear it. Made by the first who asks, who then iterates `lead`; the others `join`.

    heartbeat: seconds of silence after which each is told so. ended: told once, when the call is over, with whether
    it came to a whole answer. offered: its answer was taken to be kept.
    """

    def __init__(self, chat: ChatRun, cancel: Cancel, heartbeat: float, ended: Callable[[Flight, bool], None]) -> None:
        self.run = SharedRun.of(chat, self.hand_over)
        self.cancel = Cancel()
        self.over = False
        self.offered = False
        self.error: BaseException | None = None
        self.payer: Member
        self._events: list[ChatEvent] = []
        self._members: list[Member] = []
        self._heartbeat = heartbeat
        self._ended = ended
        self._driver: gevent.Greenlet | None = None
        self._source: Source
        self._stepping = False
        self.payer = self._admit(chat, cancel)

    def lead(self, source: Source) -> Iterator[ChatEvent]:
        """The events for the first who asked. source: the call, of `self.run`."""
        self._source = source
        member = self.payer
        try:
            while self._driver is None and not self.over:
                event = self._step()
                if event is None:
                    break
                if len(self._members) > 1:
                    self._fly()
                    break
                member.at += 1
                yield event
            yield from self._hear(member)
        finally:
            self._leave(member)

    def join(self, chat: ChatRun, cancel: Cancel) -> Iterator[ChatEvent]:
        """The same events for another who asked the same, from the first one on."""
        member = self._admit(chat, cancel)
        if chat.trail is not None:
            # A crash owes nothing for it: the call is another's.
            model = chat.plan.candidates[0].model
            chat.trail.asks(Asked(model.name, model.integration, model.price))
        if self._driver is None and not self._stepping and not self.over:
            self._fly()
        try:
            yield CacheLook(True)
            yield from self._hear(member)
        finally:
            self._leave(member)

    @property
    def open(self) -> bool:
        """Whether others may still join."""
        return not self.over and bool(self._members) and self.cancel.reason is None

    def hand_over(self, refused: DomainError) -> bool:
        """The one who pays cannot any more: let the next who can do so. False where there is none."""
        broke = self.payer
        for member in self._members:
            if member is broke or member.error is not None or member.cancel.reason is not None:
                continue
            try:
                self.run.pay_from(member.chat)
            except (BudgetExceeded, RateLimited):
                continue
            self.payer = member
            broke.error = refused
            broke.wake()
            return True
        return False

    # --- the call -------------------------------------------------------------------------------------------------

    def _step(self) -> ChatEvent | None:
        """One event more, None at the end."""
        self._stepping = True
        try:
            event = next(self._source)
        except StopIteration:
            self._end(None)
            return None
        except BaseException as error:
            self._end(error)
            raise
        finally:
            self._stepping = False
        if type(event) is AttemptStarted and event.n:
            asks(self.run, event)
        self._events.append(event)
        return event

    def _fly(self) -> None:
        if self._driver is None:
            self._driver = gevent.spawn(self._drive)

    def _drive(self) -> None:
        try:
            while self._step() is not None:
                for member in self._members:
                    member.wake()
        except DomainError:
            return  # raised in each who hears
        except Exception:
            log.exception("a call that is shared ended in a bug")

    def _end(self, error: BaseException | None) -> None:
        if self.over:
            return
        self.over, self.error = True, error
        self._ended(self, error is None)
        for member in self._members:
            member.wake()

    # --- those who hear it ----------------------------------------------------------------------------------------

    def _admit(self, chat: ChatRun, cancel: Cancel) -> Member:
        member = Member(chat, cancel)
        self._members.append(member)

        def left() -> None:
            # In the loop: nothing here may wait.
            member.wake()
            if all(one.cancel.reason is not None for one in self._members):
                self.cancel.cancel(cancel.reason or CLIENT_GONE)

        member.leaves = left
        cancel.add(left)
        return member

    def _hear(self, member: Member) -> Iterator[ChatEvent]:
        late = member.chat.request.stream and not self.run.request.stream
        events = self._events
        while True:
            if member.error is not None:
                raise _own(member.error)
            if member.cancel.reason is not None and not self.over and len(self._members) > 1:
                raise UpstreamFailed("nobody listens any more")
            if member.at < len(events):
                event = self._shown(member, events[member.at], late)
                member.at += 1
                if event is not None:
                    yield event
            elif self.over:
                break
            elif not member.wait(self._heartbeat):
                yield Silence()
        if self.error is not None:
            raise _own(self.error)
        if late:
            yield from pieces(self.run.transcript.answers(), streamed=True)

    def _shown(self, member: Member, event: ChatEvent, late: bool) -> ChatEvent | None:
        """The event as this one is to have it."""
        if member is self.payer and not late:
            return event
        match event:
            case AttemptStarted():
                return replace(event, n=0)
            case CacheLook() | Attempt():
                return None
            case Delta() | Restart() if late:
                return None
            case Delta() if member.chat.ttft_ms is None:
                member.chat.ttft_ms = int((monotonic() - member.chat.started) * 1000)
        return event

    def _leave(self, member: Member) -> None:
        """It has heard all, or is stopped, or its reader is gone."""
        member.cancel.remove(member.leaves)
        self._members.remove(member)
        pays = member is self.payer
        if not self.over and pays and not (self._members and self._passed_on()):
            self._stop(member.cancel.reason)
        if self.over and pays:
            self._take_all(member)
        else:
            self._take_share(member)

    def _passed_on(self) -> bool:
        """Whether another of them pays from here on."""
        for member in self._members:
            if member.error is None:
                try:
                    self.run.pay_from(member.chat)
                except (BudgetExceeded, RateLimited) as refused:
                    member.error = refused
                    member.wake()
                    continue
                self.payer = member
                if not self._stepping:
                    self._fly()
                return True
        return False

    def _stop(self, reason: str | None) -> None:
        self.cancel.cancel(reason or CLIENT_GONE)
        if self._driver is None:
            self._source.close()
            self._end(UpstreamFailed("nobody listens any more"))
        else:
            self._driver.join(STOP_SECONDS)

    # --- what each leaves in the ledger ---------------------------------------------------------------------------

    def _take_all(self, member: Member) -> None:
        """It paid for the call: its row tells of it."""
        chat, run = member.chat, self.run
        for name in _OF_THE_CALL:
            setattr(chat, name, getattr(run, name))
        if not run.cached and chat.cache_hit:
            chat.cache_hit = False  # it joined, and paid in the end
        if member.at < len(self._events) and self._driver is not None:
            chat.transcript = self._heard(member)

    def _take_share(self, member: Member) -> None:
        """Another pays: where it has the whole answer, that was kept for it, as it were."""
        chat, run = member.chat, self.run
        chat.model, chat.model_key = run.model, run.model_key
        if self.over and self.error is None and member.error is None and member.at == len(self._events):
            chat.plan, chat.sources, chat.cached = run.plan, run.sources, True
            chat.transcript, chat.own = run.transcript, run.own
            chat.usage = run.believed_usage()
        else:
            chat.transcript = self._heard(member)

    def _heard(self, member: Member) -> Transcript:
        """What it was sent."""
        heard = Transcript()
        if member.chat.request.stream and not self.run.request.stream:
            return heard
        for event in self._events[: member.at]:
            if type(event) is Restart:
                heard = Transcript()
            elif type(event) is Delta:
                heard.add(event)
        return heard


def _own(error: BaseException) -> DomainError:
    """The same error for another: what is put into one must not stand in the next."""
    if isinstance(error, DomainError):
        twin = copy.copy(error)
        twin.details = dict(error.details)
        return twin
    return InternalError("something went wrong here")
