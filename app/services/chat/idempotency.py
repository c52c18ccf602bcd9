"""Requests under an Idempotency-Key: each is answered once, whoever asks again gets the same answer."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import gevent

from app.domain.errors import IdempotencyConflict, Unavailable
from app.domain.idempotency import Busy, Claim, KeptAnswer, KeyedRequest
from app.utils.clock import utcnow

log = logging.getLogger(__name__)

LEASE_SECONDS = 12.0
RENEW_SECONDS = 3.0
KEPT = timedelta(hours=24)
SWEEP_SECONDS = 300.0


class HotClaims(Protocol):
    """What all workers see at once. Each raises Unavailable where Redis is away."""

    def claim(self, asked: KeyedRequest, lease_ms: int) -> Claim: ...
    def finish(self, asked: KeyedRequest, answer: KeptAnswer, conversation: str | None, kept_ms: int) -> bool: ...
    def release(self, asked: KeyedRequest) -> None: ...
    def forget(self, user_id: str, conversation: str) -> None: ...


class DurableClaims(Protocol):
    """What outlives Redis. Each raises Unavailable where the database is away."""

    def claim(self, asked: KeyedRequest, now: datetime, until: datetime) -> Claim: ...
    def look(self, asked: KeyedRequest, now: datetime) -> Claim | None: ...
    def finish(self, asked: KeyedRequest, answer: KeptAnswer, conversation: str | None, until: datetime) -> bool: ...
    def release(self, asked: KeyedRequest) -> None: ...
    def forget(self, user_id: str, conversation: str) -> None: ...
    def sweep(self, now: datetime) -> int: ...


class Idempotency:
    """A claim stands in both stores, so that with one of them away the other still tells who is at it.

    lease, renew: seconds for which a claim stands without a word of its worker, and after which it is renewed.
    """

    def __init__(
        self,
        hot: HotClaims,
        rows: DurableClaims,
        *,
        lease: float = LEASE_SECONDS,
        renew: float = RENEW_SECONDS,
        now: Callable[[], datetime] = utcnow,
    ) -> None:
        self._hot = hot
        self._rows = rows
        self._lease = lease
        self._renew = renew
        self._now = now
        self._leads: set[Lead] = set()
        self._loops: list[gevent.Greenlet] = []

    def start(self) -> None:
        """Begin to renew and to sweep, in the process that serves."""
        self._loops = [
            gevent.spawn(_forever, self.renew, self._renew),
            gevent.spawn(_forever, self.sweep, SWEEP_SECONDS),
        ]

    def stop(self) -> None:
        gevent.killall(self._loops)

    def begin(self, asked: KeyedRequest) -> Lead | KeptAnswer | Busy:
        """The right to answer it, or its answer, or that it must be waited for.

        Raises IdempotencyConflict where the key was used for another request, Unavailable with both stores away.
        """
        claim = self._claim(asked)
        if claim.state == "other":
            raise IdempotencyConflict("this Idempotency-Key was used for another request", field="Idempotency-Key")
        if claim.state == "mine":
            lead = Lead(self, asked)
            self._leads.add(lead)
            return lead
        return claim.answer or Busy(claim.owner)

    def renew(self) -> None:
        """Say that what is being answered here is still being answered."""
        for lead in tuple(self._leads):
            for claim in (self._renew_hot, self._renew_rows):
                if lead not in self._leads:
                    break
                try:
                    claim(lead)
                except Unavailable as fault:
                    log.debug("a claim is not renewed: %s", fault.message, extra={"request_id": lead.asked.owner})

    def sweep(self) -> None:
        """Take away what has expired."""
        while self._rows.sweep(self._now()):
            gevent.sleep(0)

    def forget(self, user_id: str, conversation: str) -> None:
        """Drop the answers of a conversation. Raises Unavailable where one of the stores is away."""
        self._hot.forget(user_id, conversation)
        self._rows.forget(user_id, conversation)

    def is_joined(self, asked: KeyedRequest) -> bool:
        """Whether somebody waits for it; it is believed where that cannot be known."""
        try:
            return self._hot.claim(asked, self._lease_ms).joined
        except Unavailable:
            return True

    def finish(self, lead: Lead, answer: KeptAnswer) -> None:
        """Keep a whole answer where it can be kept: what could not must not fail the answer itself."""
        self._leads.discard(lead)
        asked = lead.asked
        durable = False
        try:
            self._rows.claim(asked, self._now(), self._until)
            durable = self._rows.finish(asked, answer, lead.conversation, self._now() + KEPT)
            if not durable:
                self.release(lead)
                return
        except Unavailable as fault:
            log.warning("an answer is not kept in sql: %s", fault.message, extra={"request_id": asked.owner})
        try:
            whole = self._hot.finish(asked, answer, lead.conversation, int(KEPT.total_seconds() * 1000))
            if not whole and not durable:
                self._hot.release(asked)
        except Unavailable as fault:
            log.debug("an answer is not kept in redis: %s", fault.message, extra={"request_id": asked.owner})

    def release(self, lead: Lead) -> None:
        """Its request came to no answer that is kept: whoever asks next begins anew."""
        self._leads.discard(lead)
        for store in (self._rows, self._hot):
            try:
                store.release(lead.asked)
            except Unavailable as fault:
                log.debug("a claim lapses by itself: %s", fault.message, extra={"request_id": lead.asked.owner})

    @property
    def _lease_ms(self) -> int:
        return int(self._lease * 1000)

    @property
    def _until(self) -> datetime:
        return self._now() + timedelta(seconds=self._lease)

    def _renew_hot(self, lead: Lead) -> None:
        self._hot.claim(lead.asked, self._lease_ms)

    def _renew_rows(self, lead: Lead) -> None:
        self._rows.claim(lead.asked, self._now(), self._until)
        if lead not in self._leads:
            # It ended meanwhile, and may have been laid down anew.
            self._rows.release(lead.asked)

    def _claim(self, asked: KeyedRequest) -> Claim:
        try:
            hot = self._hot.claim(asked, self._lease_ms)
        except Unavailable:
            return self._rows.claim(asked, self._now(), self._until)
        if hot.state == "done" and hot.answer is None:
            return self._durable_answer(asked, hot)
        if hot.state != "mine":
            return hot
        # Redis may have forgotten what SQL remembers.
        try:
            durable = self._rows.claim(asked, self._now(), self._until)
        except Unavailable:
            return hot
        if durable.state != "mine":
            self._let_go(asked)
        return durable

    def _durable_answer(self, asked: KeyedRequest, hot: Claim) -> Claim:
        found = self._rows.look(asked, self._now())
        if found is not None and found.state == "done":
            return found
        # It is gone from SQL: the key is free again, for whoever asks next.
        self._hot.release(KeyedRequest(asked.scope, asked.key, asked.fingerprint, hot.owner, asked.user_id))
        return Claim("busy", hot.owner)

    def _let_go(self, asked: KeyedRequest) -> None:
        try:
            self._hot.release(asked)
        except Unavailable as fault:
            log.debug("a claim lapses by itself: %s", fault.message, extra={"request_id": asked.owner})


class Lead:
    """The right, and the duty, to answer a keyed request. End it, always: by `keep` or by `fail`; the first counts.

    conversation: the public id of the one that the answer belongs to, once it is known.
    """

    __slots__ = ("_claims", "_ended", "asked", "conversation")

    def __init__(self, claims: Idempotency, asked: KeyedRequest) -> None:
        self.asked = asked
        self.conversation: str | None = None
        self._claims = claims
        self._ended = False

    def wanted(self) -> bool:
        """Whether others wait for the answer, though its own reader may have left."""
        return not self._ended and self._claims.is_joined(self.asked)

    def keep(self, status: int, content_type: str, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        """The answer is whole. Returns once it is kept."""
        if not self._ended:
            self._ended = True
            self._claims.finish(self, KeptAnswer(self.asked.owner, status, content_type, headers, body))

    def fail(self) -> None:
        """There is no answer to be kept."""
        if not self._ended:
            self._ended = True
            self._claims.release(self)


def _forever(work: Callable[[], None], every: float) -> None:
    while True:
        gevent.sleep(every)
        try:
            work()
        except Unavailable as fault:
            log.debug("idempotency keys wait for their store: %s", fault.message)
        except Exception:
            log.exception("the keeping of idempotency keys failed")  # a bug, but not one that may end the loop
