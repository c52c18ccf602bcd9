"""The wire of Anthropic's Messages API."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from app.adapters import faults
from app.adapters.wire import (
    BAD_CHUNK,
    Answers,
    Encoded,
    as_json,
    json_object,
    plain_text,
    read_chunks,
    split_data_url,
    usage_of,
)
from app.domain.chat import AudioPart, FinishReason, ImagePart, Message, Part, ProviderCall, TextPart, ToolCall
from app.domain.errors import ProviderFault
from app.domain.events import Delta, ProviderEvent, ToolCallPart, UsageReport
from app.utils.patience import Patience

VERSION = "2023-06-01"
MAX_TOKENS = 4_096  # where neither the caller nor the model's row says how long an answer may be; the wire asks

#: Why an answer ends; another word means `stop`, none that it has not ended.
FINISH: Mapping[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh"}
_BUDGETS = {"minimal": 1_024, "low": 1_024, "medium": 4_096, "high": 16_384, "xhigh": 32_768}
_TOOL_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
#: Models up to 4.6 take temperature, top_p and top_k, and a budget to think; later ones refuse each of them (400).
_OLDER = re.compile(r"claude-(instant|[v123]|(opus|sonnet|haiku)-4(-[0-6])?(-\d{6,}|$))")
_JSON_ONLY = "Answer with one JSON object and nothing else."


def encode(call: ProviderCall) -> Encoded:
    """The request to POST. Parameters unknown here stay behind, as do those that a later model refuses.

    Raises ProviderFault(invalid_request) for more than one answer: the wire gives one.
    """
    params = call.params
    if (params.get("n") or 1) != 1:
        raise ProviderFault("invalid_request", "this provider gives one answer at a time: n must be 1", sent=False)
    body: dict[str, Any] = {
        "model": call.model_name,
        "max_tokens": call.max_tokens or call.max_output or MAX_TOKENS,
        "messages": _turns(call.messages),
    }
    system = [plain_text(m) for m in call.messages if m.role in ("system", "developer")]
    effort = params.get("reasoning_effort")
    output = _format(params.get("response_format"), system)
    if effort in _EFFORTS and not _OLDER.match(call.model_name):
        output["effort"] = _EFFORTS[effort]
    if output:
        body["output_config"] = output
    if system:
        body["system"] = "\n\n".join(system)
    stop = params.get("stop")
    if stop:
        body["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    if params.get("tools"):
        body["tools"] = [_tool(tool) for tool in params["tools"]]
        body |= _tool_choice(params)
    body |= _sampling(call, effort)
    if call.stream:
        body["stream"] = True
    headers = {"content-type": "application/json", "anthropic-version": VERSION}
    if call.secret:
        headers["x-api-key"] = call.secret
    return Encoded("/v1/messages", headers, as_json(body))


def _turns(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """The turns, neighbours of one role as one; a tool's result is part of the user's turn."""
    turns: list[dict[str, Any]] = []
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message)
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        elif blocks:
            turns.append({"role": role, "content": blocks})
    return turns


def _blocks(message: Message) -> list[dict[str, Any]]:
    content = message.content
    if isinstance(content, tuple):
        blocks = [_block(part) for part in content]
    else:
        blocks = [{"type": "text", "text": content}] if content or message.role == "user" else []
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id, "content": blocks}]
    return blocks + [_tool_use(call) for call in message.tool_calls]


def _block(part: Part) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"type": "text", "text": text}
        case ImagePart(url):
            media_type, data = split_data_url(url)
            return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}}
        case AudioPart():
            raise ProviderFault("invalid_request", "this provider does not hear", sent=False)


def _tool_use(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = orjson.loads(call.arguments or "{}")
    except ValueError:
        arguments = None
    given = arguments if isinstance(arguments, dict) else {"input": call.arguments}
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": given}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool.get("function") or {}
    out = {"name": function.get("name"), "input_schema": function.get("parameters") or {"type": "object"}}
    if function.get("description"):
        out["description"] = function["description"]
    return out


def _tool_choice(params: Mapping[str, Any]) -> dict[str, Any]:
    choice = params.get("tool_choice")
    one_by_one = params.get("parallel_tool_calls") is False
    if isinstance(choice, dict):
        chosen = {"type": "tool", "name": (choice.get("function") or {}).get("name")}
    elif choice in _TOOL_CHOICES:
        chosen = {"type": _TOOL_CHOICES[choice]}
    elif one_by_one:
        chosen = {"type": "auto"}
    else:
        return {}
    if one_by_one and chosen["type"] != "none":
        chosen["disable_parallel_tool_use"] = True
    return {"tool_choice": chosen}


def _format(form: Any, system: list[str]) -> dict[str, Any]:
    """The output's form. There is no plain JSON mode on this wire: it is asked for in the system prompt."""
    kind = form.get("type") if isinstance(form, dict) else None
    if kind == "json_object":
        system.append(_JSON_ONLY)
    if kind != "json_schema":
        return {}
    schema = (form.get("json_schema") or {}).get("schema")
    return {"format": {"type": "json_schema", "schema": schema or {"type": "object"}}}


def _sampling(call: ProviderCall, effort: Any) -> dict[str, Any]:
    """How it samples and thinks, in the words of the model's generation.

    A turn that goes on after a tool's result leaves thinking to the model: it would have to bring the thoughts
    before it, signed, which other providers' conversations do not hold.
    """
    params = call.params
    thinks = call.messages[-1].role != "tool"
    if not _OLDER.match(call.model_name):
        if effort == "none":
            return {"thinking": {"type": "disabled"}}
        adaptive = {"thinking": {"type": "adaptive", "display": "summarized"}}
        return adaptive if thinks and (call.reasoning or effort) else {}
    out = {name: params[name] for name in ("temperature", "top_p", "top_k") if params.get(name) is not None}
    budget = _BUDGETS.get(effort, 0)
    if thinks and budget and (call.max_tokens or call.max_output or MAX_TOKENS) > budget:
        out["thinking"] = {"type": "enabled", "budget_tokens": budget}
    return out


def decode_reply(body: bytes, answers: Answers) -> Iterator[ProviderEvent]:
    """The events of a whole reply. Raises ProviderFault."""
    reply = json_object(body)
    if reply.get("error"):
        raise faults.told(reply)
    reader = _Reader(answers)
    try:
        yield from reader.whole(reply)
    except BAD_CHUNK as fault:
        raise ProviderFault("bad_reply", "the reply is no message", status=200) from fault
    yield from answers.end()


def decode_stream(events: Iterable[bytes], answers: Answers, patience: Patience) -> Iterator[ProviderEvent]:
    """The events of a streamed reply, as they come; a chunk that cannot be read is skipped.

    Raises ProviderFault.
    """
    reader = _Reader(answers)

    def read(chunk: dict[str, Any]) -> list[ProviderEvent]:
        out = reader.chunk(chunk)
        if out and type(out[0]) is Delta:
            patience.content()
        return out

    return read_chunks(events, answers, read)


class _Reader:
    """What has to be remembered between two events of one message: usage so far, tool blocks without input."""

    __slots__ = ("_answers", "_bare_tools", "_usage")

    def __init__(self, answers: Answers) -> None:
        self._answers = answers
        self._usage: dict[str, Any] = {}
        self._bare_tools: set[int] = set()

    def chunk(self, chunk: dict[str, Any]) -> list[ProviderEvent]:
        kind = chunk.get("type")
        if kind == "content_block_delta":
            return self._delta(chunk["index"], chunk["delta"])
        if kind == "content_block_start":
            return self._block(chunk["index"], chunk["content_block"])
        if kind == "content_block_stop":
            return self._close(chunk["index"])
        if kind == "message_start":
            self._answers.began.add(0)
            return self._report(chunk["message"].get("usage"))
        if kind == "message_delta":
            return [*self._ending(chunk["delta"].get("stop_reason")), *self._report(chunk.get("usage"))]
        if kind == "message_stop":
            self._answers.done = True
            return list(self._answers.end())
        if kind == "error" or chunk.get("error"):
            raise faults.told(chunk)
        return []

    def whole(self, message: dict[str, Any]) -> list[ProviderEvent]:
        """A message that was not streamed, as one delta."""
        delta = Delta()
        for index, block in enumerate(message.get("content") or ()):
            for piece in (*self._block(index, block), *self._close(index)):
                assert isinstance(piece, Delta)
                delta.text += piece.text
                delta.reasoning += piece.reasoning
                delta.tool_calls += piece.tool_calls
        if delta.tool_calls:
            delta.tool_calls = _joined(delta.tool_calls)
        said: list[ProviderEvent] = [delta] if delta.text or delta.reasoning or delta.tool_calls else []
        return [*said, *self._ending(message.get("stop_reason")), *self._report(message.get("usage"))]

    def _block(self, index: int, block: dict[str, Any]) -> list[ProviderEvent]:
        kind = block.get("type")
        if kind == "tool_use":
            given = block.get("input")
            arguments = orjson.dumps(given).decode() if given else ""
            if not arguments:
                self._bare_tools.add(index)
            return self._say(tool=self._place(index, block["id"], block["name"], arguments))
        if kind == "text" and block.get("text"):
            return self._say(text=block["text"])
        if kind == "thinking" and block.get("thinking"):
            return self._say(reasoning=block["thinking"])
        return []

    def _delta(self, index: int, delta: dict[str, Any]) -> list[ProviderEvent]:
        kind = delta.get("type")
        if kind == "text_delta" and delta["text"]:
            return self._say(text=delta["text"])
        if kind == "thinking_delta" and delta["thinking"]:
            return self._say(reasoning=delta["thinking"])
        if kind == "input_json_delta" and delta["partial_json"]:
            self._bare_tools.discard(index)
            return self._say(tool=self._place(index, None, None, delta["partial_json"]))
        return []

    def _close(self, index: int) -> list[ProviderEvent]:
        """A call without arguments has none on this wire; OpenAI's clients expect an empty object."""
        if index not in self._bare_tools:
            return []
        self._bare_tools.discard(index)
        return self._say(tool=self._place(index, None, None, "{}"))

    def _place(self, index: int, call_id: str | None, name: str | None, arguments: str) -> ToolCallPart:
        return self._answers.calls(0).place(index, call_id, name, arguments)

    def _say(self, text: str = "", reasoning: str = "", tool: ToolCallPart | None = None) -> list[ProviderEvent]:
        if not isinstance(text, str) or not isinstance(reasoning, str):
            raise TypeError(text)
        answers = self._answers
        if 0 in answers.finished:
            return []
        answers.began.add(0)
        if text or tool:
            answers.spoke.add(0)
        return [Delta(text, reasoning, (tool,) if tool else ())]

    def _ending(self, reason: Any) -> list[ProviderEvent]:
        if not reason or not isinstance(reason, str):
            return []
        finish = self._answers.finish(0, FINISH.get(reason, "stop"))
        return [finish] if finish else []

    def _report(self, told: Any) -> list[ProviderEvent]:
        """Counts are cumulative; what was read from or written to the cache stands beside `input_tokens`."""
        if not isinstance(told, dict):
            return []
        self._usage |= {name: count for name, count in told.items() if count is not None}
        usage = self._usage
        read = usage.get("cache_read_input_tokens", 0)
        parts = (usage.get("input_tokens"), read, usage.get("cache_creation_input_tokens", 0))
        if any(type(count) is not int or count < 0 for count in parts):
            return []
        details = usage.get("output_tokens_details")
        thoughts = details.get("thinking_tokens") if isinstance(details, dict) else None
        known = usage_of(sum(parts), usage.get("output_tokens"), read, thoughts)
        return [UsageReport(known)] if known else []


def _joined(parts: tuple[ToolCallPart, ...]) -> tuple[ToolCallPart, ...]:
    """The pieces of each call as one."""
    whole: dict[int, ToolCallPart] = {}
    for part in parts:
        first = whole.setdefault(part.index, part)
        if first is not part:
            first.arguments += part.arguments
    return tuple(whole.values())
