"""What the OpenAPI document says of the hot routes, whose bodies are read by hand."""

from __future__ import annotations

from typing import Any

STRING = {"type": "string"}
INTEGER = {"type": "integer"}
BOOLEAN = {"type": "boolean"}

IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same request under the same key within 24 hours gets the same answer and is charged once.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def body(required: list[str], properties: dict[str, Any], *, extra: bool = False) -> dict[str, Any]:
    """A JSON request body; extra: other fields are taken too."""
    schema = {"type": "object", "required": required, "properties": properties, "additionalProperties": extra}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def answers(description: str, schema: dict[str, Any], *, streams: bool = False) -> dict[str, Any]:
    """The 200 of a call; streams: also as Server-Sent Events."""
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if streams:
        content["text/event-stream"] = {"schema": STRING}
    return {"200": {"description": description, "content": content}}


USAGE = {
    "type": "object",
    "properties": dict.fromkeys(
        ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "total_tokens"), INTEGER
    ),
}

TEMPLATE = {
    "template_id": {**STRING, "description": "A template that says it in place of the text; see /api/templates."},
    "template_vars": {"type": "object", "description": "Its values by name: strings, numbers, true or false."},
}

APP_CHAT_BODY = body(
    [],
    {
        "message": {**STRING, "description": "What the user says. May be left out with `replaces` or a template."},
        "conversation_id": {**STRING, "description": "Goes on with a conversation; left out, one begins."},
        "model": {**STRING, "default": "auto"},
        "strategy": STRING,
        "system": STRING,
        "temperature": {"type": "number", "minimum": 0, "maximum": 2},
        "max_tokens": {**INTEGER, "minimum": 1},
        "stream": {**BOOLEAN, "default": False},
        "ignore_cache": BOOLEAN,
        "fallbacks": {"type": "array", "items": STRING, "maxItems": 8},
        "replaces": {**STRING, "description": "The prompt_id of an exchange that this one takes the place of."},
        **TEMPLATE,
        "cache": STRING,
        "web_search": {
            "oneOf": [BOOLEAN, {"type": "string", "enum": ["auto"]}],
            "description": "true searches the web first; auto lets the model decide. What was used is in sources.",
        },
        "memory": BOOLEAN,
        "attachments": {
            "type": "array",
            "items": STRING,
            "description": "Ids of your files. They stay in the conversation: later questions are asked with them.",
        },
    },
)

APP_CHAT_REPLY = {
    "type": "object",
    "properties": {
        "status": {"const": "success"},
        "data": {
            "type": "object",
            "properties": {
                "text": STRING,
                "conversation_id": STRING,
                "model": STRING,
                "provider": STRING,
                "tokens_used": INTEGER,
                "usage": USAGE,
                "prompt_id": STRING,
                "latency_ms": INTEGER,
                "cost": {"type": ["number", "null"], "description": "USD"},
                "cached": BOOLEAN,
                "fallback": BOOLEAN,
                "sources": {"type": "array", "items": {"type": "object"}},
                "images": {"type": "array", "items": {"type": "object"}},
                "reasoning": {"type": ["string", "null"]},
            },
        },
    },
}

OPENAI_CHAT_BODY = body(
    ["model", "messages"],
    {
        "model": STRING,
        "messages": {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": 10_000},
        "stream": {**BOOLEAN, "default": False},
        "stream_options": {"type": "object", "properties": {"include_usage": BOOLEAN}},
        "max_tokens": INTEGER,
        "max_completion_tokens": INTEGER,
        "temperature": {"type": "number"},
        "top_p": {"type": "number"},
        "n": {**INTEGER, "minimum": 1, "maximum": 8},
        "stop": {"oneOf": [STRING, {"type": "array", "items": STRING}]},
        "tools": {"type": "array", "items": {"type": "object"}, "maxItems": 128},
        "tool_choice": {"oneOf": [STRING, {"type": "object"}]},
        "response_format": {"type": "object"},
        "fallbacks": {"type": "array", "items": STRING, "maxItems": 8},
        "models": {"type": "array", "items": STRING, "maxItems": 8},
    },
    extra=True,
)

OPENAI_CHAT_REPLY = {
    "type": "object",
    "properties": {
        "id": STRING,
        "object": {"const": "chat.completion"},
        "created": INTEGER,
        "model": STRING,
        "choices": {"type": "array", "items": {"type": "object"}},
        "usage": {"type": "object"},
    },
}

OPENAI_MODEL = {
    "type": "object",
    "properties": {"id": STRING, "object": {"const": "model"}, "created": INTEGER, "owned_by": STRING},
}

OPENAI_MODELS = {
    "type": "object",
    "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": OPENAI_MODEL}},
}

SHORT_CHAT_BODY = body(
    [],
    {
        "prompt": STRING,
        "session_id": {**STRING, "maxLength": 128},
        "mode": {
            "type": "string",
            "enum": ["text", "image", "auto"],
            "description": "Left out: text where a model is named, else auto, by what the prompt reads like.",
        },
        **TEMPLATE,
    },
)

SHORT_CHAT_REPLY = {
    "type": "object",
    "properties": {
        "prompt_id": STRING,
        "type": {"type": "string", "enum": ["text", "image"]},
        "response": STRING,
        "image_url": {"type": ["string", "null"]},
        "model": STRING,
        "provider": STRING,
        "latency_ms": INTEGER,
        "tokens": INTEGER,
        "cached": BOOLEAN,
        "fallback": BOOLEAN,
        "session_id": STRING,
    },
}

IMAGES_BODY = body(
    ["prompt"],
    {
        "prompt": {**STRING, "maxLength": 32_000},
        "model": {**STRING, "default": "auto"},
        "n": {**INTEGER, "minimum": 1, "maximum": 10, "default": 1},
        "size": {**STRING, "description": "auto, or WIDTHxHEIGHT of 64 to 2048 pixels each."},
        "response_format": {**STRING, "enum": ["b64_json", "url"], "default": "b64_json"},
        "fallbacks": {"type": "array", "items": STRING, "maxItems": 8},
        "models": {"type": "array", "items": STRING, "maxItems": 8},
        "stream": {**BOOLEAN, "description": "Only false: a picture comes whole."},
        "user": STRING,
    },
    extra=True,
)

IMAGES_REPLY = {
    "type": "object",
    "properties": {
        "created": INTEGER,
        "data": {
            "type": "array",
            "items": {"type": "object", "properties": {"b64_json": STRING, "url": STRING}},
        },
        "usage": {"type": "object"},
    },
}

EMBEDDINGS_BODY = body(
    ["model", "input"],
    {
        "model": STRING,
        "input": {
            "description": "A text, up to 2048 texts, or the same as tokens of cl100k_base.",
            "oneOf": [
                STRING,
                {"type": "array", "items": {"oneOf": [STRING, INTEGER, {"type": "array", "items": INTEGER}]}},
            ],
        },
        "encoding_format": {**STRING, "enum": ["float", "base64"], "default": "float"},
        "dimensions": {**INTEGER, "minimum": 1, "maximum": 8192},
        "user": STRING,
    },
    extra=True,
)

EMBEDDINGS_REPLY = {
    "type": "object",
    "properties": {
        "object": STRING,
        "model": STRING,
        "data": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "object": STRING,
                    "index": INTEGER,
                    "embedding": {"oneOf": [{"type": "array", "items": {"type": "number"}}, STRING]},
                },
            },
        },
        "usage": {"type": "object", "properties": {"prompt_tokens": INTEGER, "total_tokens": INTEGER}},
    },
}

SHORT_MODELS = {
    "type": "object",
    "properties": {"models": {"type": "array", "items": {"type": "object"}}},
}
