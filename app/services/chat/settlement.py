"""Turns a chat that ended into what the ledger keeps of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from app.domain.events import Answer, AttemptStarted, Done
from app.domain.finished import Finished
from app.domain.hot import HotSettlement
from app.domain.ledger import ConversationWrite, LedgerRow, SettledChat, State, StoredMessage
from app.domain.policies.lease import lease_price
from app.domain.policies.tokens import estimate
from app.domain.usage import Usage, sum_of
from app.services.chat.run import ChatRun
from app.services.ledger.journal import Asked, Journal, Opening
from app.services.ledger.ledger import Ledger
from app.utils.clock import monotonic, utcnow

TITLE_LENGTH = 60
NUL = "\x00"
SHOWN_FOR_NUL = "\ufffd"


class Settlement:
    """Writes one terminal row a chat, with both messages where the caller was sent anything.

    finished: told of each chat that was settled; must not block.
    """

    def __init__(
        self,
        ledger: Ledger,
        journal: Journal | None = None,
        finished: Callable[[Finished], None] = lambda ended: None,
    ) -> None:
        self._ledger = ledger
        self._journal = journal
        self._finished = finished

    def accept(self, chat: ChatRun) -> None:
        """From here on the chat gets a row, whatever becomes of this process."""
        self._ledger.accept()
        if self._journal is not None:
            chat.trail = self._journal.begin(_opening(chat))

    def complete(self, chat: ChatRun) -> Done:
        """Settle a whole answer and say what it came to. Raises Unavailable where it could not be made durable."""
        waits = self.settle(chat, "complete")
        model = chat.model or chat.plan.candidates[0].model
        usage = self.usage(chat)
        return Done(
            answers=_with_thoughts(chat),
            model=model.name,
            provider=model.integration,
            usage=usage,
            charge=self._charge(chat),
            attempts=len(chat.attempts),
            latency_ms=chat.latency_ms,
            ttft_ms=chat.ttft_ms,
            fallback=chat.fallback,
            degraded=chat.degraded or ("database" if waits else None),
            standing=chat.standing,
            cached=chat.cached,
            sources=tuple(chat.sources),
            images=tuple(chat.images),
            pictures=tuple(chat.transcript.pictures),
            cache_hit=chat.cache_hit,
            heard=chat.transcript.heard,
            vectors=tuple(chat.transcript.vectors),
        )

    @property
    def degraded(self) -> str | None:
        """The store that is known to be away, where it is the one that this writes to."""
        return "database" if self._ledger.away else None

    def check_room(self) -> None:
        """Raises Unavailable where a chat that begins now might not be kept."""
        self._ledger.check_room()

    def settle(self, chat: ChatRun, state: State) -> bool:
        """Write the terminal row, once; True where it waits on disk for the database."""
        if chat.settled:
            return False
        chat.settled = True
        chat.latency_ms = int((monotonic() - chat.started) * 1000)
        messages = self._messages(chat, state)
        row = self._row(chat, state)
        hot = self._hot(chat, messages, row)
        try:
            waits = self._ledger.settle(
                SettledChat(row, tuple(chat.attempts), self._conversation(chat) if messages else None, messages), hot
            )
        finally:
            if chat.hold is not None:
                chat.hold.end((row.charge or 0) + row.lost)
        if chat.unsure and not waits:
            # What came to SQL may have gone on from more than this window knows; what waits is told of when it comes.
            self._ledger.release(replace(hot, exchange=(), rebuilt=None, drop=True))
        if chat.trail is not None:
            chat.trail.end()
        self._finished(_finished(chat, row))
        return waits

    def refused(self, chat: ChatRun) -> None:
        """It was not let in: nothing is held."""
        if self._journal is not None:
            self._journal.forget(chat.request.prompt_id)

    def release(self, chat: ChatRun) -> None:
        """Nothing was accepted: let go of what the admission holds."""
        chat.settled = True
        self._ledger.release(replace(self._hot(chat, (), None), void=True))
        if chat.hold is not None:
            chat.hold.end(0)
        self.refused(chat)

    def usage(self, chat: ChatRun) -> Usage:
        """What the answer used: the attempt that the chat ended with, and those that helped it."""
        own = chat.believed_usage()
        return sum_of([own, *(attempt.usage for attempt in chat.helped if attempt.usage)]) if chat.asides else own

    def _charge(self, chat: ChatRun) -> int | None:
        if chat.cached:
            return 0
        price = chat.model.price if chat.model else None
        return None if price is None else price.of(chat.believed_usage()) + chat.spent_on(chat.helped)

    def _row(self, chat: ChatRun, state: State) -> LedgerRow:
        request = chat.request
        model = chat.model or chat.plan.candidates[0].model
        usage = self.usage(chat)
        return LedgerRow(
            prompt_id=request.prompt_id,
            user_id=request.caller.user_id,
            key_id=request.caller.key_id,
            door=request.door,
            model=model.name,
            provider=model.integration,
            state=state,
            usage=usage,
            charge=self._charge(chat),
            price=model.price,
            cached=chat.cached,
            fallback=chat.fallback,
            skipped_chunks=chat.skipped_chunks,
            ttft_ms=chat.ttft_ms,
            latency_ms=chat.latency_ms,
            created_at=chat.created_at,
            lost=chat.spent_on([a for a in chat.attempts[:-1] if a.n not in chat.asides]),
        )

    def _messages(self, chat: ChatRun, state: State) -> tuple[StoredMessage, ...]:
        """The question and what the caller was sent; neither where the door keeps none or nothing was sent."""
        if chat.request.conversation is None or not _was_sent_any(chat):
            return ()
        prompt_id = chat.request.prompt_id
        # A model may say NUL and the caller gets it; PostgreSQL keeps none.
        text = chat.transcript.text.replace(NUL, SHOWN_FOR_NUL)
        question = StoredMessage(
            prompt_id,
            "user",
            chat.question,
            estimate(chat.question),
            chat.created_at,
            attachments=chat.request.wishes.attachments or chat.attachments or None,
        )
        answer = StoredMessage(
            prompt_id,
            "assistant",
            text,
            estimate(text),
            utcnow(),
            model=chat.model.name if chat.model else None,
            state=state,
            reasoning=(chat.thoughts + chat.transcript.reasoning).replace(NUL, SHOWN_FOR_NUL) or None,
            sources=tuple(chat.sources) or None,
            images=tuple(chat.images) or None,
        )
        return question, answer

    def _conversation(self, chat: ChatRun) -> ConversationWrite | None:
        ref = chat.request.conversation
        if ref is None or chat.row_id is None:
            return None
        return ConversationWrite(
            id=chat.row_id,
            user_id=chat.request.caller.user_id,
            public_id=ref.public_id,
            is_new=chat.is_new,
            title=" ".join(chat.question.split())[:TITLE_LENGTH],
            replaces=ref.replaces,
            template=chat.request.wishes.template,
        )

    def _hot(self, chat: ChatRun, exchange: tuple[StoredMessage, ...], row: LedgerRow | None) -> HotSettlement:
        ref = chat.request.conversation
        window = chat.admitted.window if chat.admitted else None
        return HotSettlement(
            prompt_id=chat.request.prompt_id,
            user_id=chat.request.caller.user_id,
            key_id=chat.request.caller.key_id,
            conversation=ref.public_id if ref else None,
            conversation_row=chat.row_id,
            version=window.version if window else -1,
            exchange=exchange,
            rebuilt=chat.rebuilt,
            model=chat.model.name if chat.model else None,
            model_key=chat.model_key,
            drop=bool(ref and ref.replaces and exchange),
            bounds=chat.hold.bounds if chat.hold else (),
            held_tokens=chat.admitted.tokens if chat.admitted else 0,
            used_tokens=row.usage.total if row and not row.cached else 0,
            spent=(row.charge or 0) + row.lost if row else 0,
            day=chat.created_at.date(),
            alone=chat.admitted is None,
            committed_after=monotonic(),
        )


def _with_thoughts(chat: ChatRun) -> tuple[Answer, ...]:
    answers = chat.transcript.answers()
    if not chat.thoughts:
        return answers
    return tuple(replace(answer, reasoning=chat.thoughts + answer.reasoning) for answer in answers)


def _was_sent_any(chat: ChatRun) -> bool:
    """Whether the caller has a part of the answer; a picture that could not be kept is none."""
    if chat.transcript.pictures:
        return bool(chat.transcript.text or chat.images)
    return chat.transcript.has_content


def _finished(chat: ChatRun, row: LedgerRow) -> Finished:
    answered = chat.attempts[-1] if chat.attempts else None
    return Finished(
        request=chat.request,
        row=row,
        question=chat.question,
        answer=chat.transcript.text,
        conversation=chat.row_id,
        reason=answered.reason if answered else None,
        window=len(chat.window),
        attempts=tuple(chat.attempts),
        earlier=next((said for said in reversed(chat.window) if said.role == "user"), None),
        pictures=_sees(chat),
        older=chat.older,
        images=tuple(chat.images),
    )


def _sees(chat: ChatRun) -> bool:
    if chat.prompt is chat.request.messages or not chat.request.wishes.attachments:
        return chat.request.wants_images
    return replace(chat.request, messages=chat.prompt).wants_images


def _opening(chat: ChatRun) -> Opening:
    request, model = chat.request, chat.plan.candidates[0].model
    return Opening(
        prompt_id=request.prompt_id,
        user_id=request.caller.user_id,
        key_id=request.caller.key_id,
        door=request.door,
        asked=Asked(model.name, model.integration, lease_price(model.price, chat.plan.work), begun=not request.stream),
        created_at=chat.created_at,
        prompt_tokens=chat.prompt_tokens,
        conversation=request.conversation.public_id if request.conversation else None,
        bounds=chat.hold.bounds if chat.hold else (),
        held_tokens=chat.admitted.tokens if chat.admitted else 0,
    )


def asks(chat: ChatRun, attempt: AttemptStarted, *, aside: bool = False) -> None:
    """Leave a trail of who answers now, where a crash would not find that in the chat's opening. aside: it is a run
    beside the chat that was opened."""
    first = chat.plan.candidates[0].model
    told = not aside and attempt.n == 1 and (attempt.model, attempt.provider) == (first.name, first.integration)
    if chat.trail is None or told:
        return
    models = (candidate.model for candidate in (*chat.plan.candidates, *chat.others))
    model = next((m for m in models if (m.name, m.integration) == (attempt.model, attempt.provider)), first)
    lost = chat.spent_on(chat.attempts)
    begun = not chat.request.stream
    price = lease_price(model.price, chat.plan.work)
    chat.trail.asks(Asked(model.name, model.integration, price, lost, begun, model is not first))
