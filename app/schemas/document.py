"""What every operation of the OpenAPI document has in common, written once after the routes have told theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.domain import errors

TITLE = "onedoor"
DESCRIPTION = """One door to many language models.

Three doors over one set of services: the app door (`/llm`, `/api`), OpenAI's (`/v1`, the same at `/openai/v1`) and
the short one for scripts (`/register`, `/token`, `/chat`, …). A token of any door opens them all:
`Authorization: Bearer TOKEN`, where the token is a JWT from a login or an API key.

Every reply, errors too, has the header `x-request-id`. Errors have the shape of their door and name the field that
is at fault (`param` at OpenAI's door, `details.field` at the others).
"""

PUBLIC = frozenset(
    {
        ("get", "/"),
        ("get", "/c/{public_id}"),
        ("get", "/app/{view}"),
        ("get", "/api/health"),
        ("get", "/api/ready"),
        ("get", "/openapi.json"),
        ("get", "/docs"),
        ("post", "/api/auth/register"),
        ("post", "/api/auth/login"),
        ("post", "/api/auth/refresh"),
        ("post", "/register"),
        ("post", "/token"),
    }
)

SECURITY_SCHEMES = {
    "jwt": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a login.",
    },
    "apiKey": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "sk-…",
        "description": "An API key, made at `POST /api/keys`.",
    },
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The document with security, error replies and ids at every operation. Changes and returns it."""
    components = document.setdefault("components", {})
    components.setdefault("securitySchemes", {}).update(SECURITY_SCHEMES)
    schemas = components.setdefault("schemas", {})
    for unused in ("Error", "PaginationMetadata"):  # flask-smorest's own shapes, which no reply here has
        schemas.pop(unused, None)
    schemas.update(_error_schemas())
    components["responses"] = _error_responses()
    components.setdefault("headers", {})["RequestId"] = {
        "description": "Our id of this request, the same word as `prompt_id` and in the logs.",
        "schema": {"type": "string", "format": "uuid"},
    }
    document["security"] = [{"jwt": []}, {"apiKey": []}]
    for path, method, operation in operations(document):
        _complete_operation(path, method, operation)
    return document


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every path, method (lower case) and operation."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in ("get", "post", "put", "patch", "delete"):
                yield path, method, operation


def error_classes() -> list[type[errors.DomainError]]:
    """Every error of the tree that a reply can bear, in the order of the contract's statuses."""
    found: list[type[errors.DomainError]] = []
    waiting = [errors.DomainError]
    while waiting:
        below = waiting.pop().__subclasses__()
        found += [kind for kind in below if kind.__module__ == errors.__name__]
        waiting += below
    return sorted(found, key=lambda kind: (kind.status, kind.code))


def _complete_operation(path: str, method: str, operation: dict[str, Any]) -> None:
    if (method, path) in PUBLIC:
        operation["security"] = []
    name = "OpenAIError" if path.startswith(("/v1", "/openai/v1")) else "AppError"
    replies = operation.setdefault("responses", {})
    for status in [status for status, reply in replies.items() if _is_bare_error(status, reply)]:
        replies[status] = {"$ref": f"#/components/responses/{name}"}
    replies["default"] = {"$ref": f"#/components/responses/{name}"}
    for reply in replies.values():
        if "$ref" not in reply:
            reply.setdefault("headers", {})["x-request-id"] = {"$ref": "#/components/headers/RequestId"}


def _is_bare_error(status: str, reply: dict[str, Any]) -> bool:
    return str(status).startswith(("4", "5")) and ("$ref" in reply or "content" not in reply)


def _error_responses() -> dict[str, Any]:
    return {
        name: {
            "description": _error_table(),
            "headers": {
                "x-request-id": {"$ref": "#/components/headers/RequestId"},
                "retry-after": {
                    "description": "Whole seconds after which it may be worth asking again.",
                    "schema": {"type": "integer", "minimum": 1},
                },
            },
            "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
        }
        for name in ("AppError", "OpenAIError")
    }


def _error_table() -> str:
    rows = [f"| `{kind.code}` | {kind.status} | `{kind.kind}` |" for kind in error_classes()]
    return "\n".join(["An error.", "", "| code | status | type |", "| --- | --- | --- |", *rows])


def _error_schemas() -> dict[str, Any]:
    kinds = error_classes()
    return {
        "ErrorCode": {"type": "string", "enum": [kind.code for kind in kinds]},
        "ErrorType": {"type": "string", "enum": sorted({kind.kind for kind in kinds})},
        "AppError": {
            "type": "object",
            "required": ["status", "error"],
            "properties": {
                "status": {"const": "error"},
                "error": _object(
                    code={"$ref": "#/components/schemas/ErrorCode"},
                    message={"type": "string"},
                    details={"type": "object", "properties": {"field": {"type": "string"}}},
                ),
            },
        },
        "OpenAIError": {"type": "object", "required": ["error"], "properties": {"error": _openai_error()}},
    }


def _openai_error() -> dict[str, Any]:
    shape = _object(
        message={"type": "string"},
        type={"$ref": "#/components/schemas/ErrorType"},
        param={"type": ["string", "null"]},
        code={"$ref": "#/components/schemas/ErrorCode"},
    )
    shape["properties"]["details"] = {"type": "object"}
    return shape


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}
