"""The wire of OpenAI's chat completions, which most providers speak."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.adapters import faults
from app.adapters.wire import (
    BAD_CHUNK,
    MAX_CHOICE,
    Answers,
    CallIndex,
    Encoded,
    as_json,
    json_object,
    read_chunks,
    usage_of,
)
from app.domain.chat import (
    AudioPart,
    FilePart,
    FinishReason,
    ImagePart,
    Message,
    Part,
    ProviderCall,
    TextPart,
    VideoPart,
)
from app.domain.errors import ProviderFault
from app.domain.events import Delta, Finish, ProviderEvent, ToolCallPart, UsageReport
from app.domain.usage import Usage
from app.utils.patience import Patience

#: Words for the end of an answer; another word means `stop`, an empty one that it has not ended.
FINISH: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_length": "length",
    "safety": "content_filter",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """In what one provider of the family differs from the rest.

    max_tokens: the field that caps a completion. developer: knows that role. headers: sent with each request.
    thinking: fields that make a reasoning model tell its thoughts apart from its answer.
    """

    max_tokens: str = "max_tokens"
    developer: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    thinking: Mapping[str, Any] = field(default_factory=dict)


def encode(call: ProviderCall, dialect: Dialect) -> Encoded:
    """The request to POST. What the caller's parameters are named they keep, known here or not."""
    body: dict[str, Any] = {**dialect.thinking} if call.reasoning else {}
    body |= call.params
    body["model"] = call.model_name
    body["messages"] = [_message(message, dialect) for message in call.messages]
    if call.max_tokens is not None:
        body[dialect.max_tokens] = call.max_tokens
    if call.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    headers = {"content-type": "application/json", **dialect.headers}
    if call.secret:
        headers["authorization"] = "Bearer " + call.secret
    return Encoded("/chat/completions", headers, as_json(body))


def _message(message: Message, dialect: Dialect) -> dict[str, Any]:
    role = "system" if message.role == "developer" and not dialect.developer else message.role
    content = message.content
    out: dict[str, Any] = {
        "role": role,
        "content": [_part(part) for part in content] if isinstance(content, tuple) else content,
    }
    if message.name is not None:
        out["name"] = message.name
    if message.tool_calls:
        out["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in message.tool_calls
        ]
    if message.tool_call_id is not None:
        out["tool_call_id"] = message.tool_call_id
    return out


def _part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart(url, detail):
            image = {"url": url, "detail": detail} if detail else {"url": url}
            return {"type": "image_url", "image_url": image}
        case AudioPart(data, form):
            return {"type": "input_audio", "input_audio": {"data": data, "format": form}}
        case FilePart() | VideoPart():
            raise TypeError("a file is looked at before a provider is asked")


def decode_reply(body: bytes, answers: Answers) -> Iterator[ProviderEvent]:
    """The events of a whole reply. Raises ProviderFault."""
    reply = json_object(body)
    error = reply.get("error")
    if error:
        raise faults.told(error)
    try:
        for choice in reply.get("choices") or ():
            yield from _choice(choice, choice.get("message"), answers)
        usage = _usage(reply)
    except BAD_CHUNK as fault:
        raise ProviderFault("bad_reply", "the reply is no chat completion", status=200) from fault
    if usage is not None:
        yield UsageReport(usage)
    yield from answers.end()


def decode_stream(events: Iterable[bytes], answers: Answers, patience: Patience) -> Iterator[ProviderEvent]:
    """The events of a streamed reply, as they come; a chunk that cannot be read is skipped.

    Raises ProviderFault.
    """
    return read_chunks(events, answers, lambda chunk: _chunk(chunk, answers, patience))


def _chunk(chunk: dict[str, Any], answers: Answers, patience: Patience) -> list[ProviderEvent]:
    error = chunk.get("error")
    if error:
        raise faults.told(error)
    choices = chunk.get("choices") or []
    if len(choices) == 1:
        out = _choice(choices[0], choices[0].get("delta"), answers)
    else:
        out = [event for choice in choices for event in _choice(choice, choice.get("delta"), answers)]
    if out and out[0].__class__ is Delta:
        patience.content()
    if "usage" in chunk or "x_groq" in chunk:
        usage = _usage(chunk)
        if usage is not None:
            out.append(UsageReport(usage))
    return out


def _choice(choice: dict[str, Any], said: dict[str, Any] | None, answers: Answers) -> list[ProviderEvent]:
    """What one choice of a chunk or of a whole reply says; what comes after its finish is dropped."""
    index = choice.get("index") or 0
    if type(index) is not int or not 0 <= index <= MAX_CHOICE:
        raise ValueError(index)
    if index in answers.finished:
        return []
    delta = _delta(said, index, choice.get("logprobs"), answers) if said else None
    out: list[ProviderEvent] = [delta] if delta else []
    answers.began.add(index)
    reason = choice.get("finish_reason")
    if reason and type(reason) is str:
        finish = _finish(reason, index, answers)
        if finish is not None:
            out.append(finish)
    return out


def _delta(said: dict[str, Any], index: int, logprobs: Any, answers: Answers) -> Delta | None:
    text = said.get("content")
    if text.__class__ is not str:
        text = _joined(text)
    if text and len(said) == 1:  # what nearly every chunk holds
        answers.spoke.add(index)
        return Delta(text, "", (), index, logprobs)
    text = text or _text(said.get("refusal"))
    reasoning = _text(said.get("reasoning_content")) or _text(said.get("reasoning"))
    parts = tuple(_call(call, answers.calls(index)) for call in said.get("tool_calls") or ())
    if text or parts:
        answers.spoke.add(index)
    return Delta(text, reasoning, parts, index, logprobs) if text or reasoning or parts else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _finish(reason: str, index: int, answers: Answers) -> Finish | None:
    if reason == "error":
        raise ProviderFault("server_error", "the provider broke the answer off", status=200)
    return answers.finish(index, FINISH.get(reason.lower(), "stop"))


def _joined(content: Any) -> str:
    """The text of content that is no string: none, or a list of parts."""
    if content is None:
        return ""
    return "".join(part if isinstance(part, str) else part.get("text") or "" for part in content)


def _call(call: dict[str, Any], index: CallIndex) -> ToolCallPart:
    function = call.get("function") or {}
    arguments = function.get("arguments")
    if arguments is None:
        arguments = ""
    elif not isinstance(arguments, str):
        arguments = orjson.dumps(arguments).decode()
    at, call_id, name = call.get("index"), call.get("id"), function.get("name")
    return index.place(
        at if type(at) is int else None,
        call_id if isinstance(call_id, str) else None,
        name if isinstance(name, str) else None,
        arguments,
    )


def _usage(reply: dict[str, Any]) -> Usage | None:
    usage = reply.get("usage") or (reply.get("x_groq") or {}).get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    reasoning = _detail(usage.get("completion_tokens_details"), "reasoning_tokens")
    cached = _detail(usage.get("prompt_tokens_details"), "cached_tokens")
    if cached is None:
        cached = usage.get("prompt_cache_hit_tokens")
    if reasoning and _told_apart(prompt, completion, reasoning, usage.get("total_tokens")):
        completion += reasoning
    return usage_of(prompt, completion, cached, reasoning)


def _told_apart(prompt: Any, completion: Any, reasoning: Any, total: Any) -> bool:
    """xAI counts thoughts beside the completion, OpenAI within it; the total says which."""
    numbers = (prompt, completion, reasoning, total)
    return all(type(n) is int for n in numbers) and total == prompt + completion + reasoning


def _detail(details: Any, name: str) -> Any:
    return details.get(name) if isinstance(details, dict) else None
