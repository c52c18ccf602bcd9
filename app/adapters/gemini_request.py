"""What is asked on the wire of Google's Gemini API: OpenAI's words in Gemini's."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import orjson

from app.adapters.wire import Encoded, as_json, plain_text, split_data_url
from app.domain.chat import AudioPart, FilePart, ImagePart, Message, Part, ProviderCall, TextPart, ToolCall, VideoPart

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
        case VideoPart(uri=None):
            data = base64.b64encode(part.data).decode()
            return {"inlineData": {"mimeType": part.content_type, "data": data}}
        case VideoPart():
            return {"fileData": {"mimeType": part.content_type, "fileUri": part.uri}}
        case FilePart():
            raise TypeError("a file is looked at before a provider is asked")


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
