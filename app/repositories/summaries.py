"""Summaries of conversations, beside them in SQL."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Row, and_, exists, func, literal, select, update
from sqlalchemy.orm import Session

from app.domain.ledger import StoredMessage
from app.domain.summary import Outgrown, Summary
from app.models.chat import Conversation, Message
from app.repositories.database import Database

#: The last exchange that a summary tells of is there: replacing an exchange takes those after it away as well.
_STANDS = exists().where(Message.conversation_id == Conversation.id, Message.prompt_id == Conversation.summary_until)


class Summaries:
    """Of conversations that live, by their row's id and always with their user's. All raise Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, user_id: str, row_id: str, before: str | None = None) -> Summary | None:
        """The one that stands. before: it tells only of exchanges older than this prompt_id."""
        query = select(Conversation.summary, Conversation.summary_until).where(_live(user_id, row_id), _STANDS)
        if before is not None:
            query = query.where(Conversation.summary_until < before)
        row = self._database.read(lambda session: session.execute(query).first())
        return None if row is None else _summary(*row)

    def outgrown(self, user_id: str, row_id: str, most: int) -> Outgrown | None:
        """None where there is no such conversation. most: messages that are told of."""
        home = select(Conversation.summary, Conversation.summary_until, _STANDS).where(_live(user_id, row_id))
        facts = (Message.prompt_id, Message.role, literal(""), Message.tokens, Message.created_at)
        newest = select(*facts).where(Message.conversation_id == row_id)
        newest = newest.order_by(Message.prompt_id.desc(), Message.role.asc()).limit(most)

        def work(session: Session) -> Outgrown | None:
            row = session.execute(home).first()
            if row is None:
                return None
            text, until, stands = row
            messages = tuple(_message(found) for found in reversed(session.execute(newest).all()))
            return Outgrown(_summary(text, until) if stands else None, until, messages)

        return self._database.read(work)

    def said(
        self, user_id: str, row_id: str, after: str | None, until: str, *, most: int, longest: int
    ) -> tuple[StoredMessage, ...]:
        """The oldest messages between two exchanges, the latter with them. longest: characters of each."""
        query = (
            select(
                Message.prompt_id, Message.role, func.substr(Message.content, 1, longest), Message.tokens,
                Message.created_at,
            )
            .join(Conversation, Conversation.id == Message.conversation_id)
            .where(_live(user_id, row_id), Message.prompt_id <= until)
        )  # fmt: skip
        if after is not None:
            query = query.where(Message.prompt_id > after)
        # 'user' sorts after 'assistant'.
        query = query.order_by(Message.prompt_id, Message.role.desc()).limit(most)
        rows = self._database.read(lambda session: session.execute(query).all())
        return tuple(_message(row) for row in rows)

    def keep(self, user_id: str, row_id: str, summary: Summary, instead_of: str | None) -> bool:
        """False where it was not kept: another one was written meanwhile, or what it tells of is gone."""
        there = exists().where(Message.conversation_id == row_id, Message.prompt_id == summary.until)
        change = (
            update(Conversation)
            .where(_live(user_id, row_id), Conversation.summary_until.is_not_distinct_from(instead_of), there)
            .values(summary=summary.text, summary_until=summary.until)
            .returning(Conversation.id)
        )
        return self._database.write(lambda session: session.scalar(change)) is not None

    def reset(self, user_id: str, row_id: str, since: str) -> None:
        """What tells of this exchange or of one after it goes: it was replaced."""
        change = (
            update(Conversation)
            .where(_live(user_id, row_id), Conversation.summary_until >= since)
            .values(summary=None, summary_until=None)
        )
        self._database.write(lambda session: session.execute(change))


def _message(row: Row[*tuple[Any, ...]]) -> StoredMessage:
    return StoredMessage(*row)


def _summary(text: str | None, until: str | None) -> Summary | None:
    return Summary(text, until) if text and until else None


def _live(user_id: str, row_id: str) -> ColumnElement[Any]:
    return and_(Conversation.id == row_id, Conversation.user_id == user_id, Conversation.deleted_at.is_(None))
