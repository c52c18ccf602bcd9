"""The OpenAI door's chat: its body as a ChatRequest, its events as OpenAI's objects and chunks."""

from __future__ import annotations

import time
from typing import Any

import orjson

from app.domain.caller import Caller
from app.domain.chat import ChatRequest, ToolCall
from app.domain.errors import InvalidRequest
from app.domain.events import Answer, AttemptStarted, Delta, Done, Notice, Restart, ToolCallPart
from app.domain.policies.selection import STRATEGIES
from app.domain.usage import Usage
from app.domain.wishes import NO_WISHES, Wishes
from app.schemas import checks, parameters
from app.schemas.messages import parse_messages

MAX_FALLBACKS = 8
_IGNORES_CACHE = Wishes(cache="off")


def parse_chat(body: dict[str, Any], caller: Caller, prompt_id: str, *, drain: bool) -> ChatRequest:
    """Raises InvalidRequest or UnsupportedMedia naming the field."""
    model = checks.text(body, "model", longest=300)
    if model is None:
        raise InvalidRequest("model is required", field="model")
    return ChatRequest(
        prompt_id=prompt_id,
        door="openai",
        caller=caller,
        model=model,
        messages=parse_messages(body.get("messages")),
        stream=checks.boolean(body, "stream"),
        params=parameters.parameters(body),
        max_tokens=parameters.max_tokens(body),
        strategy=checks.choice(body, "strategy", STRATEGIES),
        fallbacks=fallbacks(body),
        drain=drain,
        wishes=_IGNORES_CACHE if checks.boolean(body, "ignore_cache") else NO_WISHES,
    )


def wants_usage(body: dict[str, Any]) -> bool:
    """Whether a stream is to end with a usage chunk."""
    options = body.get("stream_options")
    if options is None:
        return False
    if type(options) is not dict:
        raise checks.wrong("stream_options", "an object")
    wanted = options.get("include_usage")
    # By identity: 1 is not true.
    if wanted is not None and wanted is not True and wanted is not False:
        raise checks.wrong("stream_options.include_usage", "true or false")
    return wanted is True


def fallbacks(body: dict[str, Any]) -> tuple[str, ...]:
    """The names under `fallbacks`, or under `models`. Raises InvalidRequest naming the field."""
    named = checks.names(body, "fallbacks", MAX_FALLBACKS)
    models = checks.names(body, "models", MAX_FALLBACKS)
    if named and models and named != models:
        raise InvalidRequest("models and fallbacks say different things", field="models")
    return named or models


def completion(prompt_id: str, done: Done) -> bytes:
    """A whole chat completion object."""
    return orjson.dumps(
        {
            "id": prompt_id,
            "object": "chat.completion",
            "created": int(time.time()),
            "model": done.model,
            "choices": [_choice(index, answer) for index, answer in enumerate(done.answers)],
            "usage": usage(done.usage),
        }
    )


def usage(used: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": used.prompt,
        "completion_tokens": used.completion,
        "total_tokens": used.total,
        "prompt_tokens_details": {"cached_tokens": used.cached},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning},
    }


def _choice(index: int, answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.tool_calls:
        message["content"] = answer.text or None
        message["tool_calls"] = [_call(call) for call in answer.tool_calls]
    return {"index": index, "message": message, "logprobs": answer.logprobs, "finish_reason": answer.finish_reason}


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


class ChunkWriter:
    """Writes one stream's events as `chat.completion.chunk`s, each a whole SSE event.

    A chunk's frame is the same from event to event, so it is written once a model and only the delta is encoded.
    """

    def __init__(self, prompt_id: str, include_usage: bool) -> None:
        self._id = prompt_id
        self._include_usage = include_usage
        self._created = int(time.time())
        self._begun: set[int] = set()
        self._head = b""
        self._tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"

    def attempt(self, event: AttemptStarted) -> None:
        """Who answers from here on: its name stands in the chunks."""
        frame = orjson.dumps(
            {"id": self._id, "object": "chat.completion.chunk", "created": self._created, "model": event.model}
        )
        self._head = b"data: " + frame[:-1] + b',"choices":[{"index":'

    def delta(self, event: Delta) -> bytes:
        delta: dict[str, Any] = {}
        if event.choice not in self._begun:
            self._begun.add(event.choice)
            delta["role"] = "assistant"
            delta["content"] = ""
        if event.text:
            delta["content"] = event.text
        if event.reasoning:
            delta["reasoning_content"] = event.reasoning
        if event.tool_calls:
            delta["tool_calls"] = [_call_part(part) for part in event.tool_calls]
        logprobs = b"null" if event.logprobs is None else orjson.dumps(event.logprobs)
        return b'%b%d,"delta":%b,"logprobs":%b,"finish_reason":null}]%b' % (
            self._head, event.choice, orjson.dumps(delta), logprobs, self._tail,
        )  # fmt: skip

    def end(self, done: Done) -> bytes:
        """The finish of each choice, the usage where it was asked for, and the end mark."""
        parts = [
            b'%b%d,"delta":{},"logprobs":null,"finish_reason":"%b"}]%b'
            % (self._head, index, answer.finish_reason.encode(), self._tail)
            for index, answer in enumerate(done.answers)
        ]
        if self._include_usage:
            frame = self._head[: -len(b',"choices":[{"index":')]
            parts.append(b'%b,"choices":[],"usage":%b}\n\n' % (frame, orjson.dumps(usage(done.usage))))
        parts.append(b"data: [DONE]\n\n")
        return b"".join(parts)

    def notice(self, event: Notice) -> bytes:
        """OpenAI's schema has no place for it."""
        return b""

    def restart(self, event: Restart) -> bytes:
        """Never sent at this door: what a client has read cannot be taken back."""
        return b""

    def error(self, shown: dict[str, Any]) -> bytes:
        """An error chunk, after which no end mark comes. shown: the whole body the error would have as a reply."""
        return b"data: %b\n\n" % orjson.dumps(shown)

    def cut(self, shown: dict[str, Any], used: Usage) -> bytes:
        """The money is spent: each answer begun ends for its length, then the error with what was used."""
        parts = [
            b'%b%d,"delta":{},"logprobs":null,"finish_reason":"length"}]%b' % (self._head, index, self._tail)
            for index in sorted(self._begun)
        ]
        return b"".join(parts) + self.error(shown | {"usage": usage(used)})


def _call_part(part: ToolCallPart) -> dict[str, Any]:
    call: dict[str, Any] = {"index": part.index, "function": {"arguments": part.arguments}}
    if part.id is not None:
        call["id"] = part.id
        call["type"] = "function"
    if part.name is not None:
        call["function"]["name"] = part.name
    return call
