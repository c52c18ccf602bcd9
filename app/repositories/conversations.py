"""Conversations and their messages, always those of one user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Row, Select, and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from app.domain.conversation import (
    ConversationPage,
    ConversationSummary,
    History,
    HistoryMessage,
    LedgerFacts,
)
from app.domain.errors import InvalidRequest, NotFound
from app.domain.ledger import StoredMessage
from app.models.chat import Conversation, Message
from app.models.ledger import Request
from app.models.ratings import RatingRow
from app.repositories.database import Database
from app.repositories.files import release_attached

AnyRow = Row[*tuple[Any, ...]]
AnySelect = Select[*tuple[Any, ...]]

#: Characters of a title; the door refuses more, this is the second line.
MOST_TITLE: Final = 1000

_SUMMARY = (
    Conversation.public_id,
    Conversation.title,
    Conversation.message_count,
    Conversation.created_at,
    Conversation.updated_at,
)
_MESSAGE = (
    Message.prompt_id,
    Message.role,
    Message.content,
    Message.tokens,
    Message.created_at,
    Message.model,
    Message.state,
    Message.reasoning,
)
_EXTRAS = (Message.attachments, Message.sources, Message.images)
_FACTS = (
    Request.provider,
    Request.latency_ms,
    (Request.prompt_tokens + Request.completion_tokens).label("total"),
    Request.charge,
    Request.cached,
    Request.fallback,
)
#: Newest first; of one exchange the answer before the question, since 'assistant' sorts before 'user'.
_NEWEST = (Message.prompt_id.desc(), Message.role.asc())


class Conversations:
    def __init__(self, database: Database) -> None:
        self._database = database

    def window(
        self, user_id: str, public_id: str, limit: int, before: str | None = None
    ) -> tuple[str, tuple[StoredMessage, ...]] | None:
        """The conversation's row id and its newest messages, oldest first; None where the user has none of it.

        before: only messages of exchanges older than this prompt_id.
        """

        def work(session: Session) -> tuple[str, tuple[StoredMessage, ...]] | None:
            row_id = session.scalar(select(Conversation.id).where(_live(user_id, public_id)))
            if row_id is None:
                return None
            query = select(*_MESSAGE, Message.attachments, Message.images).where(Message.conversation_id == row_id)
            if before is not None:
                query = query.where(Message.prompt_id < before)
            rows = session.execute(query.order_by(*_NEWEST).limit(limit)).all()
            return row_id, tuple(_with_files(row) for row in reversed(rows))

        return self._database.read(work)

    def page(self, user_id: str, *, limit: int, cursor: str | None = None, q: str | None = None) -> ConversationPage:
        """A user's conversations, newest first. q: a part of the title, in any case.

        Raises InvalidRequest for a cursor that is none of ours.
        """
        query = select(*_SUMMARY, Conversation.id).where(
            Conversation.user_id == user_id, Conversation.deleted_at.is_(None)
        )
        if q:
            query = query.where(func.lower(Conversation.title).contains(q.lower(), autoescape=True))
        if cursor is not None:
            query = _after(query, cursor)
        newest = query.order_by(Conversation.updated_at.desc(), Conversation.id.desc()).limit(limit + 1)
        rows = self._database.read(lambda session: session.execute(newest).all())
        more = f"{rows[limit - 1].updated_at.isoformat()}_{rows[limit - 1].id}" if len(rows) > limit else None
        return ConversationPage(tuple(_summary(row) for row in rows[:limit]), more)

    def get(self, user_id: str, public_id: str) -> ConversationSummary:
        """Raises NotFound, also where it is another user's."""
        query = select(*_SUMMARY).where(_live(user_id, public_id))
        row = self._database.read(lambda session: session.execute(query).first())
        if row is None:
            raise _unknown()
        return _summary(row)

    def question(self, user_id: str, public_id: str, prompt_id: str) -> tuple[str, tuple[str, ...]]:
        """What was asked in that exchange, and the ids of its files. Raises NotFound where the conversation has none
        such."""
        query = (
            select(Message.content, Message.attachments)
            .join(Conversation, Conversation.id == Message.conversation_id)
            .where(_live(user_id, public_id), Message.prompt_id == prompt_id, Message.role == "user")
        )
        row = self._database.read(lambda session: session.execute(query).first())
        if row is None:
            raise NotFound("There is no such exchange in this conversation.", field="replaces")
        return row.content, _ids(row.attachments) or ()

    def rename(self, user_id: str, public_id: str, title: str) -> ConversationSummary:
        """Raises NotFound, and InvalidRequest for a title that is empty or too long."""
        if not title.strip() or len(title) > MOST_TITLE:
            raise InvalidRequest(f"A title has 1 to {MOST_TITLE} characters.", field="title")
        change = update(Conversation).where(_live(user_id, public_id)).values(title=title).returning(*_SUMMARY)
        row = self._database.write(lambda session: session.execute(change).first())
        if row is None:
            raise _unknown()
        return _summary(row)

    def delete(self, user_id: str, public_id: str, now: datetime) -> str:
        """Delete it with its messages and the files attached only there, and return its row's id.

        What is still being said into it is not stored. Its name may be used again. Raises NotFound.
        """
        bury = (
            update(Conversation)
            .where(_live(user_id, public_id))
            .values(deleted_at=now, title="", summary=None, summary_until=None, message_count=0)
            .returning(Conversation.id)
        )

        def work(session: Session) -> str | None:
            row_id = session.scalar(bury)
            if row_id is not None:
                release_attached(session, user_id, row_id, now)
                session.execute(_without_words(user_id, row_id))
                session.execute(delete(Message).where(Message.conversation_id == row_id))
            return row_id

        row_id = self._database.write(work)
        if row_id is None:
            raise _unknown()
        return row_id

    def history(self, user_id: str, public_id: str, *, limit: int = 200, before: str | None = None) -> History:
        """The newest messages before the exchange `before`, oldest first, with what the ledger says of each answer.

        limit: 1 to 1,000 messages; an exchange is not split, so one more may come. Raises NotFound.
        """
        if not 1 <= limit <= 1000:
            raise InvalidRequest("The limit is 1 to 1000.", field="limit")

        def work(session: Session) -> History | None:
            home = session.execute(select(*_SUMMARY, Conversation.id).where(_live(user_id, public_id))).first()
            if home is None:
                return None
            query = _history(user_id, home.id, before).limit(limit + 2)
            rows, more = _whole_exchanges(session.execute(query).all(), limit)
            return History(_summary(home), tuple(_with_facts(row) for row in reversed(rows)), more)

        found = self._database.read(work)
        if found is None:
            raise _unknown()
        return found


def _live(user_id: str, public_id: str) -> Any:
    return and_(Conversation.user_id == user_id, Conversation.public_id == public_id, Conversation.deleted_at.is_(None))


def _without_words(user_id: str, row_id: str) -> Any:
    """What was written of the conversation's answers goes with them; the ratings stay, as the ledger's numbers."""
    answers = select(Message.prompt_id).where(Message.conversation_id == row_id, Message.role == "assistant")
    mine = and_(RatingRow.user_id == user_id, RatingRow.prompt_id.in_(answers))
    return update(RatingRow).where(mine).values(feedback=None)


def _history(user_id: str, row_id: str, before: str | None) -> AnySelect:
    answer = Message.role == "assistant"
    mine = and_(RatingRow.user_id == user_id, RatingRow.prompt_id == Message.prompt_id, answer)
    query = (
        select(*_MESSAGE, *_EXTRAS, RatingRow.rating, *_FACTS)
        .join(Request, and_(Request.prompt_id == Message.prompt_id, answer), isouter=True)
        .join(RatingRow, mine, isouter=True)
        .where(Message.conversation_id == row_id)
        .order_by(*_NEWEST)
    )
    return query if before is None else query.where(Message.prompt_id < before)


def _whole_exchanges(rows: Sequence[AnyRow], limit: int) -> tuple[Sequence[AnyRow], bool]:
    """Of up to limit + 2 rows, newest first, as many as asked or one more; and whether any are left."""
    end = min(limit, len(rows))
    while end < len(rows) and rows[end].prompt_id == rows[end - 1].prompt_id:
        end += 1
    return rows[:end], end < len(rows)


def _after(query: AnySelect, cursor: str) -> AnySelect:
    moment, _, row_id = cursor.partition("_")
    try:
        updated_at = datetime.fromisoformat(moment)
    except ValueError:
        updated_at = None
    if updated_at is None or updated_at.tzinfo is None or not row_id:
        raise InvalidRequest("This cursor is none of ours.", field="cursor")
    return query.where(
        or_(
            Conversation.updated_at < updated_at.astimezone(UTC),
            and_(Conversation.updated_at == updated_at.astimezone(UTC), Conversation.id < row_id),
        )
    )


def _summary(row: AnyRow) -> ConversationSummary:
    return ConversationSummary(*row[:5])


def _stored(row: AnyRow) -> StoredMessage:
    return StoredMessage(*row[:8])


def _with_files(row: AnyRow) -> StoredMessage:
    stored = _stored(row)
    if row.attachments is None and row.images is None:
        return stored
    return replace(stored, attachments=_ids(row.attachments), images=_ids(row.images))


def _ids(files: Any) -> tuple[str, ...] | None:
    return tuple(one for one in files if isinstance(one, str)) if isinstance(files, list) else None


def _with_facts(row: AnyRow) -> HistoryMessage:
    facts = LedgerFacts(*row[12:]) if row.provider is not None else None
    return HistoryMessage(_stored(row), facts, row.attachments, row.sources, row.images, row.rating)


def _unknown() -> NotFound:
    return NotFound("There is no such conversation.", field="conversation_id")
