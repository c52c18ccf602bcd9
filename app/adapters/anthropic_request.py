"""What is asked on the wire of Anthropic's Messages API: OpenAI's words in Anthropic's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from app.adapters.wire import Encoded, as_json, plain_text, split_data_url
from app.domain.chat import AudioPart, FilePart, ImagePart, Message, Part, ProviderCall, TextPart, ToolCall, VideoPart
from app.domain.errors import ProviderFault

VERSION = "2023-06-01"
MAX_TOKENS = 4_096  # where neither the caller nor the model's row says how long an answer may be; the wire asks

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
    effort = params["reasoning_effort"] if isinstance(params.get("reasoning_effort"), str) else None
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
        case FilePart() | VideoPart():
            raise TypeError("a file is looked at before a provider is asked")


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


def _sampling(call: ProviderCall, effort: str | None) -> dict[str, Any]:
    """How it samples and thinks, in the words of the model's generation.

    A turn that goes on after a tool's result leaves thinking to the model: it would have to bring the thoughts
    before it, signed, which other providers' conversations do not hold.
    """
    params = call.params
    thinks = not call.messages or call.messages[-1].role != "tool"
    if not _OLDER.match(call.model_name):
        if effort == "none":
            return {"thinking": {"type": "disabled"}}
        adaptive = {"thinking": {"type": "adaptive", "display": "summarized"}}
        return adaptive if thinks and (call.reasoning or effort) else {}
    out = {name: params[name] for name in ("temperature", "top_p", "top_k") if params.get(name) is not None}
    budget = _BUDGETS.get(effort or "", 0)
    if thinks and budget and (call.max_tokens or call.max_output or MAX_TOKENS) > budget:
        out["thinking"] = {"type": "enabled", "budget_tokens": budget}
    return out
