"""Remembers exchanges after their reply, finds them again, and forgets them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

import gevent
from gevent.event import Event

from app.domain.accounts import GUEST_ID
from app.domain.embedding import Embedder
from app.domain.errors import DomainError, NotFound, Unavailable
from app.domain.finished import Finished
from app.domain.memory import Memory, MemoryPage, RememberedExchange
from app.repositories.memories import Memories
from app.stores.vectors import Entry, Vectors
from app.utils.clock import utcnow

log = logging.getLogger(__name__)

GATHER_SECONDS: Final = 1.0
"""Exchanges of so long are remembered together: a write into the index costs 5 ms however little is in it."""
MOST_WAITING: Final = 2_000
GROUP: Final = 128
SWEEP_SECONDS: Final = 60.0
OWED_AFTER: Final = timedelta(seconds=30)
"""An exchange that is not remembered so long after its end was lost on the way, with a worker or an index."""
LONGEST: Final = 8_000
"""Characters of a question and of an answer that are kept."""
LEAST_LIKENESS: Final = 0.25
MemoryState = Literal["ok", "degraded", "off"]


class MemoryService:
    """vectors: None where this installation remembers nothing; off: why, in words."""

    def __init__(
        self,
        rows: Memories,
        embedder: Embedder,
        vectors: Vectors | None,
        off: str = "",
        now: Callable[[], datetime] = utcnow,
    ) -> None:
        self._rows = rows
        self._embedder = embedder
        self._vectors = vectors
        self._now = now
        self._waiting: list[Memory] = []
        self._some = Event()
        self._greenlets: list[gevent.Greenlet] = []
        self.off = off
        self.state: MemoryState = "ok" if vectors is not None else "off"

    def start(self) -> None:
        if self._vectors is not None:
            self._greenlets = [gevent.spawn(self._keep_writing), gevent.spawn(self._keep_sweeping)]

    def stop(self) -> None:
        gevent.killall(self._greenlets)
        if self._vectors is not None:
            self._vectors.close()

    def ended(self, chat: Finished) -> None:
        """A chat ended: what it said is remembered soon, and what it replaced is forgotten."""
        row, ref = chat.row, chat.request.conversation
        if self._vectors is None or ref is None or chat.conversation is None or chat.request.caller.is_guest:
            return
        if ref.replaces is not None:
            gone = self._rows.forget_conversation(row.user_id, chat.conversation, ref.replaces, row.prompt_id)
            if gone:
                self._vectors.forget(row.user_id, gone)
        if row.state != "complete" or not chat.answer.strip() or len(self._waiting) >= MOST_WAITING:
            return
        memory = Memory(row.prompt_id, row.user_id, chat.conversation, chat.question, chat.answer, row.created_at)
        self._waiting.append(memory)
        self._some.set()

    def recall(
        self, user_id: str, text: str, conversation: str | None, known: Collection[str], most: int
    ) -> list[RememberedExchange]:
        """Earlier exchanges of this user that have to do with a text, those of this conversation first, nearest first.

        known: ids that are in the prompt already. Raises Unavailable.
        """
        try:
            return self._recalled(self._need(), user_id, text, conversation, known, most)
        except Unavailable:
            if self._vectors is not None:
                self.state = "degraded"
            raise

    def _recalled(
        self, vectors: Vectors, user_id: str, text: str, conversation: str | None, known: Collection[str], most: int
    ) -> list[RememberedExchange]:
        (vector,) = self._embedder.embed([text])
        if vector is None:
            return []
        asked = most + len(known)
        found: dict[str, float] = {}
        for home in (conversation, None) if conversation is not None else (None,):
            for near in vectors.nearest(user_id, vector, min(asked, 100), home):
                if near.id not in known and near.likeness >= LEAST_LIKENESS:
                    found.setdefault(near.id, near.likeness)
            if len(found) >= most:
                break
        self.state = "ok"
        # The first search's come first, the nearest of each before the others, and a dict keeps its order.
        chosen = self._rows.of(user_id, list(found)[:most])
        return [chosen[id_] for id_ in found if id_ in chosen]

    def page(self, user_id: str, *, limit: int, cursor: str | None = None, q: str | None = None) -> MemoryPage:
        """What is remembered of a user, newest first."""
        return self._rows.page(user_id, limit=limit, cursor=cursor, q=q)

    def forget(self, user_id: str, memory_id: str) -> None:
        """Raises NotFound, and Unavailable with nothing forgotten."""
        if not self._rows.of(user_id, [memory_id]):
            raise NotFound("there is no such memory")
        if self._vectors is not None:
            self._vectors.forget(user_id, [memory_id])
        self._rows.forget(user_id, memory_id)

    def forget_all(self, user_id: str) -> None:
        """Raises Unavailable; what was forgotten until then stays so."""
        self._waiting = [memory for memory in self._waiting if memory.user_id != user_id]
        self._rows.forget_all(user_id)
        if self._vectors is not None:
            self._vectors.forget(user_id)

    def forget_conversation(self, user_id: str, public_id: str, conversation: str) -> None:
        """One was deleted. Raises Unavailable where its vectors stand still: they lead nowhere, its rows are gone."""
        self._waiting = [memory for memory in self._waiting if memory.conversation != conversation]
        gone = self._rows.forget_conversation(user_id, conversation)
        if self._vectors is not None and gone:
            self._vectors.forget(user_id, gone)

    def write_waiting(self) -> int:
        """Remember what waits; how many that were."""
        taken, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
        if taken:
            self._remember(taken)
        return len(taken)

    def sweep(self) -> int:
        """Remember what was lost on the way; how many that were."""
        owed = self._rows.owed(self._now() - OWED_AFTER, GROUP)
        guests = [memory.id for memory in owed if memory.user_id == GUEST_ID]
        if guests:  # who share no data; what they say is in nobody's reach
            self._rows.pass_over(guests)
        if len(guests) < len(owed):
            self._remember([memory for memory in owed if memory.user_id != GUEST_ID])
        return len(owed)

    def _remember(self, memories: Sequence[Memory]) -> None:
        vectors = self._need()
        cut = [
            Memory(m.id, m.user_id, m.conversation, m.question[:LONGEST], m.answer[:LONGEST], m.created_at)
            for m in memories
        ]
        found = self._embedder.embed([f"{memory.question}\n{memory.answer}" for memory in cut])
        entries = [
            Entry(memory.id, memory.user_id, memory.conversation, vector)
            for memory, vector in zip(cut, found, strict=True)
            if vector is not None
        ]
        # The vectors first: one that leads nowhere harms nobody, a row that no vector finds is never looked at again.
        vectors.add(entries)
        self._rows.keep(cut, self._embedder.name)
        kept = self._rows.kept([entry.id for entry in entries])
        for entry in entries:
            if entry.id not in kept:  # deleted while it waited
                vectors.forget(entry.user_id, [entry.id])

    def _need(self) -> Vectors:
        if self._vectors is None:
            raise Unavailable(self.off or "nothing is remembered here")
        return self._vectors

    def _keep_writing(self) -> None:
        while True:
            self._some.wait()
            gevent.sleep(GATHER_SECONDS)
            self._some.clear()
            try:
                while self.write_waiting():
                    self.state = "ok"
            except Exception as fault:  # noqa: BLE001 - the next ones may go well
                self._failed(fault)

    def _keep_sweeping(self) -> None:
        while True:
            gevent.sleep(SWEEP_SECONDS)
            try:
                while self.sweep() == GROUP:
                    self.state = "ok"
            except Exception as fault:  # noqa: BLE001 - the next ones may go well
                self._failed(fault)

    def _failed(self, fault: Exception) -> None:
        self.state = "degraded"
        if isinstance(fault, DomainError):
            log.warning("exchanges are remembered later: %s", fault.message)
        else:
            log.error("exchanges are remembered later", exc_info=fault)
