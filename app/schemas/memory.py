"""What is remembered of a user, as they see it."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from app.domain.memory import RememberedExchange
from app.schemas.base import ListQuery, Moment, Schema, Text, page_of
from app.utils.clock import rfc3339


class MemoryQuery(ListQuery):
    q = Text(most=200, metadata={"description": "A part of question or answer, in any case."})


class MemorySchema(Schema):
    id = fields.String(required=True, metadata={"description": "The exchange's prompt_id."})
    conversation_id = fields.String(required=True)
    question = fields.String(required=True)
    answer = fields.String(required=True)
    created_at = Moment(required=True)


MemoryListReply = page_of(MemorySchema(), "Memory")


def shown_memory(row: RememberedExchange) -> dict[str, Any]:
    return {
        "id": row.id,
        "conversation_id": row.conversation_id,
        "question": row.question,
        "answer": row.answer,
        "created_at": rfc3339(row.created_at),
    }
