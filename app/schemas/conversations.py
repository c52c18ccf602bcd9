"""Conversations and their history as the app and the short door show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from marshmallow import ValidationError, fields

from app.domain.conversation import ConversationSummary, History, HistoryMessage
from app.domain.files import StoredFile
from app.domain.money import usd
from app.domain.wishes import Source
from app.schemas.app_chat import picture, source
from app.schemas.base import (
    Choice,
    ListQuery,
    Moment,
    QueryWhole,
    Schema,
    Text,
    enveloped,
    page_of,
)
from app.utils.clock import rfc3339

MOST_Q = 200


def _is_prompt_id(text: str) -> None:
    if len(text) != 36 or text.count("-") != 4 or not text.isascii() or not text.replace("-", "").isalnum():
        raise ValidationError("Must be a prompt_id.")


NO_FILES: Mapping[str, StoredFile] = {}


class ConversationsQuery(ListQuery):
    q = Text(most=MOST_Q, metadata={"description": "A part of the title, in any case."})


class HistoryQuery(Schema):
    conversation_id = Text(required=True, least=1, most=128)
    limit = QueryWhole(least=1, most=1000, load_default=200)
    before = Text(validate=_is_prompt_id, metadata={"description": "A prompt_id, exclusive."})


class TitleBody(Schema):
    title = Text(required=True, least=1, most=1000)


class ExportQuery(Schema):
    format = Choice("md", "json", load_default="md")


class SummarySchema(Schema):
    id = fields.String(required=True)
    title = fields.String(required=True)
    message_count = fields.Integer(required=True)
    created_at = Moment(required=True)
    updated_at = Moment(required=True)


class AttachmentSchema(Schema):
    id = fields.String(required=True)
    filename = fields.String(required=True, allow_none=True, metadata={"description": "Null where it was deleted."})
    content_type = fields.String(required=True, allow_none=True)


class MessageSchema(Schema):
    role = fields.String(required=True, metadata={"enum": ["user", "assistant"]})
    content = fields.String(required=True)
    prompt_id = fields.String(required=True)
    created_at = Moment(required=True)
    state = fields.String(allow_none=True)
    model = fields.String(allow_none=True)
    rating = fields.Integer(allow_none=True, metadata={"description": "1 to 5, of an answer that was rated."})
    attachments = fields.List(fields.Nested(AttachmentSchema), metadata={"description": "With a question."})
    provider = fields.String(metadata={"description": "This and what follows: with an answer."})
    latency_ms = fields.Integer()
    tokens_used = fields.Integer()
    cost = fields.Float(allow_none=True)
    cached = fields.Boolean()
    fallback = fields.Boolean()
    sources = fields.List(fields.Dict())
    images = fields.List(fields.Dict())
    reasoning = fields.String(allow_none=True)


class HistorySchema(Schema):
    conversation_id = fields.String(required=True)
    has_more = fields.Boolean(required=True)
    messages = fields.List(fields.Nested(MessageSchema), required=True)


class SessionSchema(Schema):
    session_id = fields.String(required=True)
    title = fields.String(required=True)
    updated_at = Moment(required=True)
    messages = fields.Integer(required=True)


class SessionsSchema(Schema):
    sessions = fields.List(fields.Nested(SessionSchema), required=True)


class ExchangeSchema(Schema):
    prompt = fields.String(required=True)
    response = fields.String(required=True, allow_none=True)
    model_used = fields.String(required=True, allow_none=True)
    timestamp = Moment(required=True)


class SessionHistorySchema(Schema):
    session_id = fields.String(required=True)
    history = fields.List(fields.Nested(ExchangeSchema), required=True)


SummaryReply = enveloped(SummarySchema(), "Conversation")
SummaryListReply = page_of(SummarySchema(), "Conversation")
HistoryReply = enveloped(HistorySchema(), "ConversationHistory")


def shown_summary(row: ConversationSummary) -> dict[str, Any]:
    return {
        "id": row.id,
        "title": row.title,
        "message_count": row.message_count,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
    }


def shown_session(row: ConversationSummary) -> dict[str, Any]:
    return {
        "session_id": row.id,
        "title": row.title,
        "updated_at": rfc3339(row.updated_at),
        "messages": row.message_count,
    }


def attached(messages: Iterable[HistoryMessage]) -> list[str]:
    """Ids of the files that these messages bear, each once."""
    return list(dict.fromkeys(file_id for row in messages for file_id in row.attachments or ()))


def shown_history(found: History, files: Iterable[StoredFile] = ()) -> dict[str, Any]:
    """files: those that messages bear, as far as they are still there."""
    kept = {file.id: file for file in files}
    return {
        "conversation_id": found.conversation.id,
        "has_more": found.has_more,
        "messages": [shown_message(row, kept) for row in found.messages],
    }


def shown_message(row: HistoryMessage, files: Mapping[str, StoredFile] = NO_FILES) -> dict[str, Any]:
    message = row.message
    shown: dict[str, Any] = {
        "role": message.role,
        "content": message.content,
        "model": message.model,
        "created_at": rfc3339(message.created_at),
        "prompt_id": message.prompt_id,
        "state": message.state,
        "rating": row.rating,
    }
    if message.role == "user":
        shown["attachments"] = [_attachment(file_id, files.get(file_id)) for file_id in row.attachments or ()]
        return shown
    facts = row.facts
    if facts is not None:
        shown["provider"] = facts.provider
        shown["latency_ms"] = facts.latency_ms
        shown["tokens_used"] = facts.tokens
        shown["cost"] = None if facts.charge is None else usd(facts.charge)
        shown["cached"] = facts.cached
        shown["fallback"] = facts.fallback
    shown["sources"] = [source(Source(**found)) for found in row.sources or ()]
    shown["images"] = [picture(file_id) for file_id in row.images or ()]
    shown["reasoning"] = message.reasoning
    return shown


def _attachment(file_id: str, file: StoredFile | None) -> dict[str, Any]:
    """Of one that was deleted there is only the id."""
    name, content_type = (file.name, file.content_type) if file else (None, None)
    return {"id": file_id, "filename": name, "content_type": content_type}


def shown_exchanges(messages: Iterable[HistoryMessage]) -> list[dict[str, Any]]:
    """Question and answer as one, oldest first."""
    return list(_exchanges(messages))


def _exchanges(messages: Iterable[HistoryMessage]) -> Iterator[dict[str, Any]]:
    question: HistoryMessage | None = None
    for row in messages:
        if row.message.role == "user":
            if question is not None:
                yield _exchange(question, None)
            question = row
        else:
            yield _exchange(question, row)
            question = None
    if question is not None:
        yield _exchange(question, None)


def _exchange(question: HistoryMessage | None, answer: HistoryMessage | None) -> dict[str, Any]:
    asked = question.message if question else None
    answered = answer.message if answer else None
    moment = answered or asked
    return {
        "prompt": asked.content if asked else "",
        "response": answered.content if answered else None,
        "model_used": answered.model if answered else None,
        "timestamp": rfc3339(moment.created_at) if moment else None,
    }
