"""The wire of Google's Gemini API: `generateContent`, and `streamGenerateContent` as Server-Sent Events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import orjson

from app.adapters import faults
from app.adapters.wire import (
    BAD_CHUNK,
    MAX_CHOICE,
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
from app.domain.usage import Usage
from app.utils.patience import Patience

_FILTERED: FinishReason = "content_filter"
#: Why an answer ends; another word means `stop`, none (or the unspecified one) that it has not ended.
FINISH: Mapping[str, FinishReason] = {
    "MAX_TOKENS": "length",
    "SAFETY": _FILTERED,
    "RECITATION": _FILTERED,
    "BLOCKLIST": _FILTERED,
    "PROHIBITED_CONTENT": _FILTERED,
    "SPII": _FILTERED,
    "LANGUAGE": _FILTERED,
    "IMAGE_SAFETY": _FILTERED,
    "IMAGE_PROHIBITED_CONTENT": _FILTERED,
    "MODEL_ARMOR": _FILTERED,
}
#: Ends that say the model went wrong, not that it was done.
BROKEN = frozenset(
    {
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
    }
)

#: OpenAI's parameters that keep their value under Gemini's name.
_RENAMED = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "n": "candidateCount",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_TOOL_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
#: Tokens that a model may think for, by OpenAI's `reasoning_effort`.
_THINKING = {"none": 0, "minimal": 512, "low": 1_024, "medium": 8_192, "high": 24_576, "xhigh": 32_768}


def encode(call: ProviderCall) -> Encoded:
    """The request to POST; the key goes in a header, never into the URL. Parameters unknown here stay behind."""
    params = call.params
    body: dict[str, Any] = {"contents": _contents(call.messages)}
    system = [plain_text(m) for m in call.messages if m.role in ("system", "developer")]
    if system:
        body["systemInstruction"] = {"parts": [{"text": "\n\n".join(system)}]}
    config = _generation_config(call)
    if config:
        body["generationConfig"] = config
    if params.get("tools"):
        body["tools"] = [{"functionDeclarations": [_declaration(tool) for tool in params["tools"]]}]
        mode = _tool_mode(params.get("tool_choice"))
        if mode:
            body["toolConfig"] = {"functionCallingConfig": mode}
    method = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
    headers = {"content-type": "application/json"}
    if call.secret:
        headers["x-goog-api-key"] = call.secret
    name = quote(call.model_name.removeprefix("models/"), safe="")
    return Encoded(f"/v1beta/models/{name}:{method}", headers, as_json(body))


def _contents(messages: Iterable[Message]) -> list[dict[str, Any]]:
    """The turns, neighbours of one role as one; a tool's result is told under the name of its call."""
    names: dict[str, str] = {}
    contents: list[dict[str, Any]] = []
    for message in messages:
        if message.role in ("system", "developer"):
            continue
        names |= {call.id: call.name for call in message.tool_calls}
        role = "model" if message.role == "assistant" else "user"
        parts = _turn_parts(message, names)
        if contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    return contents


def _turn_parts(message: Message, names: Mapping[str, str]) -> list[dict[str, Any]]:
    if message.role == "tool":
        name = names.get(message.tool_call_id or "") or message.name or "tool"
        return [{"functionResponse": {"name": name, "response": _result(plain_text(message))}}]
    content = message.content
    if isinstance(content, tuple):
        parts = [_part(part) for part in content]
    elif content:
        parts = [{"text": content}]
    else:
        parts = [] if message.tool_calls else [{"text": " "}]  # an empty text is refused
    return parts + [{"functionCall": _function_call(call)} for call in message.tool_calls]


def _part(part: Part) -> dict[str, Any]:
    match part:
        case TextPart(text):
            return {"text": text or " "}
        case ImagePart(url):
            media_type, data = split_data_url(url)
            return {"inlineData": {"mimeType": media_type, "data": data}}
        case AudioPart(data, form):
            return {"inlineData": {"mimeType": f"audio/{form}", "data": data}}


def _function_call(call: ToolCall) -> dict[str, Any]:
    try:
        arguments = orjson.loads(call.arguments or "{}")
    except ValueError:
        arguments = None
    return {"name": call.name, "args": arguments if isinstance(arguments, dict) else {"input": call.arguments}}


def _result(text: str) -> dict[str, Any]:
    """A tool's result as the object that Gemini wants."""
    try:
        value = orjson.loads(text)
    except ValueError:
        value = text
    return value if isinstance(value, dict) else {"result": value}


def _generation_config(call: ProviderCall) -> dict[str, Any]:
    params = call.params
    config: dict[str, Any] = {theirs: params[ours] for ours, theirs in _RENAMED.items() if params.get(ours) is not None}
    if call.max_tokens is not None:
        config["maxOutputTokens"] = call.max_tokens
    stop = params.get("stop")
    if stop:
        config["stopSequences"] = [stop] if isinstance(stop, str) else stop
    if params.get("logprobs"):
        config["responseLogprobs"] = True
        if params.get("top_logprobs"):
            config["logprobs"] = params["top_logprobs"]
    config |= _response_format(params.get("response_format"))
    thinking = _thinking(call)
    if thinking:
        config["thinkingConfig"] = thinking
    return config


def _response_format(form: Any) -> dict[str, Any]:
    kind = form.get("type") if isinstance(form, dict) else None
    if kind not in ("json_object", "json_schema"):
        return {}
    config: dict[str, Any] = {"responseMimeType": "application/json"}
    schema = (form.get("json_schema") or {}).get("schema") if kind == "json_schema" else None
    if schema is not None:
        config["responseJsonSchema"] = schema
    return config


def _thinking(call: ProviderCall) -> dict[str, Any]:
    effort = call.params.get("reasoning_effort")
    budget = _THINKING.get(effort) if isinstance(effort, str) else None
    if budget is not None:
        return {"includeThoughts": budget > 0, "thinkingBudget": budget}
    return {"includeThoughts": True} if call.reasoning else {}


def _declaration(tool: Mapping[str, Any]) -> dict[str, Any]:
    function = tool.get("function") or {}
    declaration = {"name": function.get("name")}
    if function.get("description"):
        declaration["description"] = function["description"]
    if function.get("parameters"):
        declaration["parametersJsonSchema"] = function["parameters"]
    return declaration


def _tool_mode(choice: Any) -> dict[str, Any] | None:
    if isinstance(choice, str):
        mode = _TOOL_MODES.get(choice)
        return {"mode": mode} if mode else None
    if isinstance(choice, dict):
        return {"mode": "ANY", "allowedFunctionNames": [(choice.get("function") or {}).get("name")]}
    return None


def decode_reply(body: bytes, answers: Answers) -> Iterator[ProviderEvent]:
    """The events of a whole reply. Raises ProviderFault."""
    reply = json_object(body)
    try:
        yield from _folded(_chunk(reply, answers))
    except BAD_CHUNK as fault:
        raise ProviderFault("bad_reply", "the reply is no generated content", status=200) from fault
    yield from answers.end()


def decode_stream(events: Iterable[bytes], answers: Answers, patience: Patience) -> Iterator[ProviderEvent]:
    """The events of a streamed reply, as they come; a chunk that cannot be read is skipped.

    Raises ProviderFault.
    """

    def read(chunk: dict[str, Any]) -> list[ProviderEvent]:
        out = _chunk(chunk, answers)
        if out and type(out[0]) is Delta:
            patience.content()
        return out

    return read_chunks(events, answers, read)


def _chunk(chunk: dict[str, Any], answers: Answers) -> list[ProviderEvent]:
    if chunk.get("error"):
        raise faults.told(chunk)
    blocked = (chunk.get("promptFeedback") or {}).get("blockReason")
    if blocked and not answers.spoke:
        raise ProviderFault("content_filtered", f"the provider refused the prompt: {blocked}", status=200)
    out: list[ProviderEvent] = []
    for candidate in chunk.get("candidates") or ():
        out += _candidate(candidate, answers)
    usage = _usage(chunk.get("usageMetadata"))
    if usage is not None:
        out.append(UsageReport(usage))
    return out


def _candidate(candidate: dict[str, Any], answers: Answers) -> list[ProviderEvent]:
    index = candidate.get("index") or 0
    if type(index) is not int or not 0 <= index <= MAX_CHOICE:
        raise ValueError(index)
    if index in answers.finished:
        return []
    out: list[ProviderEvent] = []
    for part in (candidate.get("content") or {}).get("parts") or ():
        delta = _delta(part, index, answers)
        if delta is not None:
            out.append(delta)
    answers.began.add(index)
    reason = candidate.get("finishReason")
    if reason and reason != "FINISH_REASON_UNSPECIFIED":
        if reason in BROKEN:
            raise ProviderFault("bad_reply", f"the model went wrong: {reason}", status=200)
        finish = answers.finish(index, _ending(reason, answers.calls(index).count))
        if finish is not None:
            out.append(finish)
    return out


def _ending(reason: str, calls: int) -> FinishReason:
    ending = FINISH.get(reason, "stop")
    return "tool_calls" if ending == "stop" and calls else ending


def _delta(part: dict[str, Any], index: int, answers: Answers) -> Delta | None:
    call = part.get("functionCall")
    if call:
        piece = _call(call, index, answers)
        answers.spoke.add(index)
        return Delta(tool_calls=(piece,), choice=index)
    text = part.get("text")
    if not text:
        return None
    if not isinstance(text, str):
        raise TypeError(text)
    if part.get("thought"):
        return Delta(reasoning=text, choice=index)
    answers.spoke.add(index)
    return Delta(text, choice=index)


def _call(call: dict[str, Any], index: int, answers: Answers) -> ToolCallPart:
    """Gemini sends each call whole, mostly without an id."""
    calls = answers.calls(index)
    arguments = orjson.dumps(call.get("args") or {}).decode()
    call_id = call.get("id")
    return calls.place(calls.count, call_id if isinstance(call_id, str) else None, call["name"], arguments)


def _folded(events: list[ProviderEvent]) -> Iterator[ProviderEvent]:
    """The same events with one delta a choice, as a reply that is not streamed owes it."""
    whole: dict[int, Delta] = {}
    for event in events:
        if isinstance(event, Delta):
            first = whole.setdefault(event.choice, event)
            if first is not event:
                first.text += event.text
                first.reasoning += event.reasoning
                first.tool_calls += event.tool_calls
    yield from whole.values()
    yield from (event for event in events if not isinstance(event, Delta))


def _usage(told: Any) -> Usage | None:
    """Thoughts are counted beside the candidates there, within the completion here."""
    if not isinstance(told, dict):
        return None
    counts = [
        told.get(name) or 0
        for name in ("promptTokenCount", "toolUsePromptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")
    ]
    if told.get("promptTokenCount") is None or any(type(n) is not int or n < 0 for n in counts):
        return None
    prompt, tools, candidates, thoughts = counts
    return usage_of(prompt + tools, candidates + thoughts, told.get("cachedContentTokenCount"), thoughts)
