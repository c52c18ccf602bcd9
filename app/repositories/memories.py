"""What is remembered of users, always of one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, delete, false, func, or_, select, text, true, update
from sqlalchemy.orm import Session, aliased

from app.domain.memory import Memory, MemoryPage, RememberedExchange
from app.models.chat import Conversation, Message
from app.models.memories import MemoryRow
from app.repositories.database import Database

_KEEP = text(
    "INSERT INTO memories (id, user_id, conversation_id, question, answer, embedder, created_at)"
    " SELECT m.prompt_id, c.user_id, c.id, :question, :answer, :embedder, m.created_at"
    " FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id"
    " WHERE m.prompt_id = :id AND m.role = 'assistant' AND c.id = :conversation AND c.user_id = :user"
    " AND c.deleted_at IS NULL"
    " ON CONFLICT (id) DO UPDATE SET embedder = excluded.embedder"
)


class Memories:
    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, memories: Sequence[Memory], embedder: str) -> None:
        """Keep those whose exchange is still there and was not forgotten since, and say of all of them that they need
        no second look."""
        ids = [memory.id for memory in memories]
        take = update(Message).where(Message.prompt_id.in_(ids), Message.role == "assistant", _WAITS)

        def work(session: Session) -> None:
            # Taken first: whoever forgets at the same moment waits for us or was before us.
            waited = set(session.scalars(take.values(embedded=True).returning(Message.prompt_id)))
            rows = [
                {
                    "id": memory.id,
                    "question": memory.question,
                    "answer": memory.answer,
                    "embedder": embedder,
                    "conversation": memory.conversation,
                    "user": memory.user_id,
                }
                for memory in memories
                if memory.id in waited
            ]
            if rows:
                session.execute(_KEEP, rows)

        self._database.write(work)

    def pass_over(self, ids: Collection[str]) -> None:
        """These are never to be remembered."""
        change = update(Message).where(Message.prompt_id.in_(ids), Message.role == "assistant").values(embedded=True)
        self._database.write(lambda session: session.execute(change) and None)

    def kept(self, ids: Collection[str]) -> frozenset[str]:
        """Which of these are remembered."""
        query = select(MemoryRow.id).where(MemoryRow.id.in_(ids))
        return frozenset(self._database.read(lambda session: session.scalars(query).all()))

    def owed(self, before: datetime, limit: int) -> tuple[Memory, ...]:
        """Whole exchanges that ended before that moment and that nobody has looked at yet, oldest first."""
        question = aliased(Message)
        query = (
            select(
                Message.prompt_id,
                Conversation.user_id,
                Conversation.id,
                question.content,
                Message.content,
                Message.created_at,
            )
            .join(Conversation, Conversation.id == Message.conversation_id)
            .join(
                question,
                and_(
                    question.conversation_id == Message.conversation_id,
                    question.prompt_id == Message.prompt_id,
                    question.role == "user",
                ),
            )
            .where(_OWED, Message.created_at < before)
            .order_by(Message.prompt_id)
            .limit(limit)
        )
        rows = self._database.read(lambda session: session.execute(query).all())
        return tuple(Memory(*row) for row in rows)

    def of(self, user_id: str, ids: Collection[str]) -> dict[str, RememberedExchange]:
        """Those of this user among them, by id."""
        query = _shown().where(MemoryRow.user_id == user_id, MemoryRow.id.in_(ids))
        rows = self._database.read(lambda session: session.execute(query).all())
        return {row[0]: RememberedExchange(*row) for row in rows}

    def page(self, user_id: str, *, limit: int, cursor: str | None = None, q: str | None = None) -> MemoryPage:
        """Newest first. q: a part of question or answer, in any case."""
        query = _shown().where(MemoryRow.user_id == user_id)
        if cursor is not None:
            query = query.where(MemoryRow.id < cursor)
        if q:
            part = q.lower()
            query = query.where(
                or_(
                    func.lower(MemoryRow.question).contains(part, autoescape=True),
                    func.lower(MemoryRow.answer).contains(part, autoescape=True),
                )
            )
        query = query.order_by(MemoryRow.id.desc()).limit(limit + 1)
        rows = self._database.read(lambda session: session.execute(query).all())
        items = tuple(RememberedExchange(*row) for row in rows[:limit])
        return MemoryPage(items, items[-1].id if len(rows) > limit else None)

    def forget(self, user_id: str, memory_id: str) -> bool:
        """Whether this user had it."""
        change = delete(MemoryRow).where(MemoryRow.user_id == user_id, MemoryRow.id == memory_id)
        return bool(self._database.write(lambda session: session.execute(change.returning(MemoryRow.id)).all()))

    def forget_all(self, user_id: str) -> None:
        """All of this user, and what waits to be remembered."""
        theirs = select(Conversation.id).where(Conversation.user_id == user_id)

        def work(session: Session) -> None:
            # What waits first: another worker that is about to keep it finds it taken, or has kept it by then.
            waiting = update(Message).where(Message.conversation_id.in_(theirs), _WAITS)
            session.execute(waiting.values(embedded=True))
            session.execute(delete(MemoryRow).where(MemoryRow.user_id == user_id))

        self._database.write(work)

    def forget_conversation(
        self, user_id: str, conversation: str, since: str = "", before: str | None = None
    ) -> tuple[str, ...]:
        """Those of a conversation from one prompt_id on, before another; their ids."""
        bound = true() if before is None else MemoryRow.id < before
        change = (
            delete(MemoryRow)
            .where(
                MemoryRow.user_id == user_id,
                MemoryRow.conversation_id == conversation,
                MemoryRow.id >= since,
                bound,
            )
            .returning(MemoryRow.id)
        )
        return tuple(self._database.write(lambda session: session.scalars(change).all()))


_WAITS = Message.embedded == false()
#: As the partial index has it, or it is not used.
_OWED = text("messages.embedded = false AND messages.role = 'assistant' AND messages.state = 'complete'")


def _shown() -> Select[*tuple[Any, ...]]:
    return select(
        MemoryRow.id, Conversation.public_id, MemoryRow.question, MemoryRow.answer, MemoryRow.created_at
    ).join(Conversation, and_(Conversation.id == MemoryRow.conversation_id, Conversation.deleted_at.is_(None)))
