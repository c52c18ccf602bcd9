"""Answers that are given again: exactly or nearly what was asked before, or what is being answered now."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final, Protocol

import gevent

from app.domain.cached import KeptReply, Look
from app.domain.chat import Door
from app.domain.errors import BudgetExceeded, RateLimited, Unavailable
from app.domain.events import CacheLook, ChatEvent, Silence
from app.domain.policies.cache_entry import unpacked
from app.domain.policies.cache_key import CacheKey, cache_key
from app.services.chat.cache_writing import CacheWriter, Prompt, milliseconds, worth_keeping
from app.services.chat.flights import Flight
from app.services.chat.nearness import Nearness
from app.services.chat.replay import replayed
from app.services.chat.run import ChatRun
from app.services.chat.timing import HEARTBEAT
from app.utils.beats import pause
from app.utils.cancel import Cancel
from app.utils.clock import monotonic, utcnow

log = logging.getLogger(__name__)

LEASE_SECONDS: Final = 5.0
RENEW_SECONDS: Final = 1.0
LONGEST_WAIT: Final = 60.0
"""Seconds for another worker's answer; then this one asks too."""
FIRST_PAUSE: Final = 0.005
LONGEST_PAUSE: Final = 0.2

Name = tuple[CacheKey, str | bool]
"""What a flight is known by: who may hear it."""

Call = Callable[[ChatRun, Cancel], Generator[ChatEvent, None, None]]


class Hot(Protocol):
    """What all workers see at once. Each raises Unavailable where Redis is away."""

    def look(self, key: CacheKey, asker: str, lease_ms: int) -> Look: ...
    def keep(self, key: CacheKey, body: bytes, life_ms: int, *, asker: str = "", refilled: bool = False) -> bool: ...
    def drop(self, keys: Sequence[CacheKey]) -> None: ...
    def let_go(self, key: CacheKey, asker: str) -> None: ...
    def renew(self, askers: Mapping[CacheKey, str], lease_ms: int) -> None: ...


class Rows(Protocol):
    """What outlives Redis. Each raises Unavailable where the database is away."""

    def find(self, key: CacheKey, now: datetime) -> tuple[bytes, datetime] | None: ...


class ChatCache:
    """unasked: the doors at which every request is served; at the others who asks for it is.

    writer: keeps what is answered; near: finds answers to near-equal questions; later: does what is owed after a reply;
    looked: told of each request whether it was answered so.
    """

    def __init__(
        self,
        hot: Hot,
        rows: Rows,
        writer: CacheWriter,
        near: Nearness,
        *,
        unasked: frozenset[Door],
        later: Callable[..., bool],
        looked: Callable[[bool], None],
    ) -> None:
        self._hot = hot
        self._rows = rows
        self._writer = writer
        self._near = near
        self._unasked = unasked
        self._later = later
        self._looked = looked
        self._flights: dict[Name, Flight] = {}
        self._claims: dict[CacheKey, str] = {}
        self._loop: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin to renew what is being asked for, in the process that serves."""
        self._loop = gevent.spawn(self._renew_forever)

    def stop(self) -> None:
        if self._loop is not None:
            self._loop.kill()

    def serves(self, chat: ChatRun) -> bool:
        """Whether this chat has anything to do with the cache; cheap, since each chat asks it."""
        request = chat.request
        wish, ref = request.wishes.cache, request.conversation
        if request.door not in self._unasked and wish in ("default", "off"):
            return False
        if request.wishes.web_search != "no" or chat.plan.work != "chat":
            return False  # what is looked up, or drawn, is wanted anew
        return not request.caller.is_guest or (ref is not None and not ref.fresh)

    def answer(
        self, chat: ChatRun, cancel: Cancel, call: Call, *, alone: bool = False
    ) -> Generator[ChatEvent, None, None]:
        """The chat's answer: a kept one, that of an equal request in flight, or the provider's by `call`.

        alone: a call of several models cannot be handed on while it lasts; who asks the same waits for its answer.
        """
        request = chat.request
        prompt = chat.prompt
        key = cache_key(request, prompt)
        if request.wishes.cache == "off" or (request.conversation and request.conversation.replaces):
            chat.offer = partial(self._writer.offered, key, prompt, chat, chat)
            yield from call(chat, cancel)
            return
        chat.shared = True
        # A stream at OpenAI's door cannot begin again, one at another door can.
        name = (key, request.prompt_id if alone else request.door == "openai")
        while True:
            flight = self._flights.get(name)
            if flight is not None and flight.open:
                heard = False
                try:
                    for event in flight.join(chat, cancel):
                        heard = heard or type(event) not in (CacheLook, Silence)
                        yield event
                except (BudgetExceeded, RateLimited):
                    # It may have been the other's money.
                    if heard or flight.payer.chat is chat:
                        raise
                    continue
            else:
                flight = self._flights[name] = Flight(chat, cancel, HEARTBEAT, partial(self._ended, name))
                yield from flight.lead(self._source(key, flight, call))
            chat.offer = partial(self._offer, key, prompt, flight, chat)
            return

    # --- the source of a flight -------------------------------------------------------------------------------------

    def _source(self, key: CacheKey, flight: Flight, call: Call) -> Generator[ChatEvent, None, None]:
        run = flight.run
        try:
            kept = yield from self._awaited(key, run, flight.cancel)
        except Unavailable as fault:
            log.debug("the cache is not asked: %s", fault.message, extra={"request_id": run.request.prompt_id})
            kept = None
        self._looked(kept is not None)
        yield CacheLook(kept is not None)
        yield from call(run, flight.cancel) if kept is None else replayed(run, kept)

    def _awaited(self, key: CacheKey, run: ChatRun, cancel: Cancel) -> Generator[ChatEvent, None, KeptReply | None]:
        """A kept answer, as soon as there is one, or None where it is for us to ask."""
        asker, began, heard, seconds = run.request.prompt_id, monotonic(), monotonic(), FIRST_PAUSE
        while monotonic() - began < LONGEST_WAIT and cancel.reason is None:
            look = self._hot.look(key, asker, int(LEASE_SECONDS * 1000))
            if look.state == "hit":
                kept = self._read(key, look.body)
                if kept is not None:
                    return kept
                self._hot.drop([key])
                continue
            if look.state == "mine":
                self._claims[key] = asker
                return self._found_elsewhere(key, run, look)
            pause(seconds, cancel)
            seconds = min(seconds * 2, LONGEST_PAUSE)
            if monotonic() - heard >= HEARTBEAT:
                heard = monotonic()
                yield Silence()
        return None

    def _found_elsewhere(self, key: CacheKey, run: ChatRun, look: Look) -> KeptReply | None:
        """An answer that Redis has not got: where it was emptied SQL may have it, and it may be a near one."""
        kept = None
        try:
            if look.cold and (found := self._rows.find(key, utcnow())) is not None:
                body, end = found
                kept = self._read(key, body)
                if kept is not None:
                    self._hot.keep(key, body, milliseconds(end - utcnow()), asker=run.request.prompt_id, refilled=True)
                    self._claims.pop(key, None)
            if kept is None and self._near.wanted(run.request):
                kept = self._near.find(run.request, run.prompt)
        except Unavailable as fault:
            log.debug("sql is not asked: %s", fault.message, extra={"request_id": run.request.prompt_id})
        return kept

    @staticmethod
    def _read(key: CacheKey, body: bytes) -> KeptReply | None:
        kept = unpacked(key, body)
        if kept is None:
            log.warning("a kept answer is damaged or of another form: it is not used")
        return kept

    # --- what is kept -----------------------------------------------------------------------------------------------

    def _ended(self, name: Name, flight: Flight, whole: bool) -> None:
        """A call is over: newcomers begin another, and whoever waits elsewhere is told where this came to nothing."""
        if self._flights.get(name) is flight:
            del self._flights[name]
        key, run = name[0], flight.run
        if self._claims.pop(key, None) is not None and not (whole and worth_keeping(run)):
            self._later(self._let_go, key, run.request.prompt_id)

    def _offer(self, key: CacheKey, prompt: Prompt, flight: Flight, chat: ChatRun) -> None:
        if not flight.offered:
            flight.offered = True
            self._writer.offered(key, prompt, flight.run, chat)

    def _let_go(self, key: CacheKey, asker: str) -> None:
        try:
            self._hot.let_go(key, asker)
        except Unavailable as fault:
            log.debug("a claim lapses by itself: %s", fault.message, extra={"request_id": asker})

    def _renew_forever(self) -> None:
        while True:
            gevent.sleep(RENEW_SECONDS)
            try:
                self._hot.renew(dict(self._claims), int(LEASE_SECONDS * 1000))
            except Unavailable as fault:
                log.debug("claims are not renewed: %s", fault.message)
            except Exception:
                log.exception("claims of the cache are not renewed")  # a bug, but not one that may end the loop
