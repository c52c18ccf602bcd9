"""The receipt of one request, as the app door shows it."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from app.domain.events import Attempt
from app.domain.money import usd
from app.domain.receipt import Receipt
from app.schemas.app_chat import usage as shown_usage
from app.schemas.base import Moment, Schema, enveloped
from app.utils.clock import rfc3339


class UsageSchema(Schema):
    prompt_tokens = fields.Integer(required=True)
    completion_tokens = fields.Integer(required=True)
    cached_tokens = fields.Integer(required=True)
    reasoning_tokens = fields.Integer(required=True)
    total_tokens = fields.Integer(required=True)


class AttemptSchema(Schema):
    model = fields.String(required=True)
    provider = fields.String(required=True)
    key = fields.String(required=True, allow_none=True, metadata={"description": "Masked."})
    started_ms = fields.Integer(required=True, metadata={"description": "Since the request came."})
    ttft_ms = fields.Integer(required=True, allow_none=True)
    latency_ms = fields.Integer(required=True)
    status = fields.Integer(required=True, allow_none=True)
    error = fields.String(required=True, allow_none=True)
    usage = fields.Nested(UsageSchema, required=True, allow_none=True)
    next = fields.String(required=True, allow_none=True)
    reason = fields.String(required=True)


class ReceiptSchema(Schema):
    prompt_id = fields.String(required=True)
    state = fields.String(required=True)
    model = fields.String(required=True)
    provider = fields.String(required=True)
    cached = fields.Boolean(required=True)
    fallback = fields.Boolean(required=True)
    usage = fields.Nested(UsageSchema, required=True)
    usage_source = fields.String(required=True, metadata={"enum": ["provider", "counted"]})
    cost = fields.Float(required=True, allow_none=True)
    created_at = Moment(required=True)
    ttft_ms = fields.Integer(required=True, allow_none=True)
    latency_ms = fields.Integer(required=True)
    skipped_chunks = fields.Integer(required=True)
    attempts = fields.List(fields.Nested(AttemptSchema), required=True)


ReceiptReply = enveloped(ReceiptSchema(), "RequestReceipt")


def shown_receipt(receipt: Receipt) -> dict[str, Any]:
    row = receipt.row
    return {
        "prompt_id": row.prompt_id,
        "state": row.state,
        "model": row.model,
        "provider": row.provider,
        "cached": row.cached,
        "fallback": row.fallback,
        "usage": shown_usage(row.usage),
        "usage_source": row.usage.source,
        "cost": None if row.charge is None else usd(row.charge),
        "created_at": rfc3339(row.created_at),
        "ttft_ms": row.ttft_ms,
        "latency_ms": row.latency_ms,
        "skipped_chunks": row.skipped_chunks,
        "attempts": [_shown_attempt(attempt) for attempt in receipt.attempts],
    }


def _shown_attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "model": attempt.model,
        "provider": attempt.provider,
        "key": attempt.key_mask,
        "started_ms": attempt.started_ms,
        "ttft_ms": attempt.ttft_ms,
        "latency_ms": attempt.latency_ms,
        "status": attempt.status,
        "error": attempt.error,
        "usage": None if attempt.usage is None else shown_usage(attempt.usage),
        "next": attempt.next,
        "reason": attempt.reason,
    }
