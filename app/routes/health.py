"""Is it alive, does it take chats: asked by load balancers, without a caller."""

from __future__ import annotations

from dataclasses import asdict

from flask import Response
from marshmallow import fields

from app.middleware.readiness import Readiness
from app.schemas.base import Schema, json_reply
from app.schemas.blueprint import Blueprint


class HealthSchema(Schema):
    status = fields.String(required=True, metadata={"enum": ["ok"]})


class DependencySchema(Schema):
    name = fields.String(required=True)
    state = fields.String(required=True, metadata={"enum": ["ok", "degraded", "down", "off"]})
    detail = fields.String(required=True)


class ReadySchema(Schema):
    status = fields.String(required=True, metadata={"enum": ["ok", "degraded"]})
    takes_chats = fields.Boolean(required=True)
    reason = fields.String(required=True, allow_none=True)
    dependencies = fields.List(fields.Nested(DependencySchema), required=True)


def blueprint(readiness: Readiness) -> Blueprint:
    health = Blueprint("health", __name__, url_prefix="/api", description="Does it live and serve.")

    @health.get("/health")
    @health.doc(summary="200 while the process lives")
    @health.response(200, HealthSchema)
    def alive() -> Response:
        return json_reply({"status": "ok"})

    @health.get("/ready")
    @health.doc(summary="200 while this node takes chats")
    @health.response(200, ReadySchema)
    @health.alt_response(503, schema=ReadySchema, description="This node takes no chat; the reason is told.")
    def ready() -> Response:
        report = readiness.report()
        return json_reply(
            {
                "status": report.status,
                "takes_chats": report.takes_chats,
                "reason": report.refusal,
                "dependencies": [asdict(row) for row in report.dependencies],
            },
            200 if report.takes_chats else 503,
        )

    return health
