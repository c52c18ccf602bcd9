"""Vectors at the OpenAI door: the body of `/embeddings` as a ChatRequest, and its reply.

Format: OpenAI's published schema of embeddings.
"""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from app.domain.caller import Caller
from app.domain.chat import ChatRequest, Message
from app.domain.errors import ContextLengthExceeded, InvalidRequest
from app.domain.events import Done
from app.domain.wishes import Wishes
from app.schemas import checks
from app.schemas.parameters import STEERING

MOST_INPUTS = 2_048
MOST_TOKENS = 8_192
LONGEST = 65_536
"""Characters of one input; OpenAI's models take 8,192 tokens."""
MOST_DIMENSIONS = 8_192
FORMATS = ("float", "base64")

#: The text of which these are the tokens; raises ValueError where they are none.
Decode = Callable[[Sequence[int]], str]


def parse(body: dict[str, Any], caller: Caller, prompt_id: str, decode: Decode, *, drain: bool) -> ChatRequest:
    """Raises InvalidRequest naming the field."""
    for name in body:
        if name in STEERING:
            raise InvalidRequest(f"{name} would steer our own call and is not taken from a caller", field=name)
    model = checks.text(body, "model", longest=300)
    if model is None:
        raise InvalidRequest("model is required", field="model")
    form = checks.choice(body, "encoding_format", FORMATS)
    checks.text(body, "user", longest=512)
    return ChatRequest(
        prompt_id=prompt_id,
        door="openai",
        caller=caller,
        model=model,
        messages=tuple(Message("user", text) for text in _inputs(body.get("input"), decode)),
        params={
            "dimensions": checks.integer(body, "dimensions", 1, MOST_DIMENSIONS),
            "encoding_format": form or "float",
        },
        drain=drain,
        wishes=Wishes(vectors=True),
    )


def _inputs(value: Any, decode: Decode) -> list[str]:
    if value is None:
        raise InvalidRequest("input is required", field="input")
    if type(value) is str:
        return [_text(value, "input", decode)]
    if type(value) is not list or not value:
        raise checks.wrong("input", "a text, or a list of texts that is not empty")
    if all(type(item) is int for item in value):
        return [_text(value, "input", decode)]
    if len(value) > MOST_INPUTS:
        raise checks.wrong("input", f"a list of at most {MOST_INPUTS} texts")
    return [_text(item, f"input[{place}]", decode) for place, item in enumerate(value)]


def _text(value: Any, field: str, decode: Decode) -> str:
    if type(value) is list:
        value = _decoded(value, field, decode)
    if type(value) is not str:
        raise checks.wrong(field, "a text or a list of tokens")
    if not value.strip():
        raise InvalidRequest(f"{field} has nothing in it to be embedded", field=field)
    if len(value) > LONGEST:
        raise ContextLengthExceeded(f"{field} is longer than {LONGEST} characters", field=field)
    return value


def _decoded(tokens: list[Any], field: str, decode: Decode) -> str:
    if not all(type(token) is int and token >= 0 for token in tokens):
        raise checks.wrong(field, "a text or a list of tokens")
    if len(tokens) > MOST_TOKENS:
        raise ContextLengthExceeded(f"{field} is longer than {MOST_TOKENS} tokens", field=field)
    try:
        return decode(tokens)
    except (ValueError, OverflowError):
        raise InvalidRequest(f"{field} holds tokens that cl100k_base has not", field=field) from None


def reply(request: ChatRequest, done: Done) -> dict[str, Any]:
    shown = _base64 if request.params["encoding_format"] == "base64" else _floats
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": shown(vector)}
            for index, vector in enumerate(done.vectors)
        ],
        "model": done.model,
        "usage": {"prompt_tokens": done.usage.prompt, "total_tokens": done.usage.total},
    }


def _base64(vector: bytes) -> str:
    return base64.b64encode(vector).decode()


def _floats(vector: bytes) -> list[float]:
    numbers = array("f", vector)
    if sys.byteorder != "little":
        numbers.byteswap()
    return numbers.tolist()
