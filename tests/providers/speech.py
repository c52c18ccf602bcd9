"""What the emulated providers say: one answer, told in three wires as the real ones tell it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

#: Words of a model's name that rule what is said; how it is said wrongly stands in `faulty`.
TRAITS = {
    "reasoning",
    "only-reasoning",
    "empty-answer",
    "two-tools",
    "three-calls",
    "talks-first",
    "no-arguments",
    "no-call",
    "echo",
    "cached",
    "nul",
    "continues",
    "continues-spaceless",
    "whole-word",
    "other",
    "no-picture",
    "unsafe-picture",
    "html-picture",
    "svg-picture",
    "url-picture",
    "big",
    "no-duration",
    "odd-duration",
    "odd-segments",
    "speechless",
}
THOUGHTS = ["Let me ", "think ", "about it. "]


@dataclass
class Asked:
    """A request, understood. stops: words at which the answer is to end. prefix: the answer to go on with."""

    wire: str
    model: str
    stream: bool
    text: str
    tools: list[str] = field(default_factory=list)
    must_call: bool = False
    tool_result: str | None = None
    pictures: list[str] = field(default_factory=list)
    json_mode: bool = False
    max_tokens: int | None = None
    stops: list[str] = field(default_factory=list)
    n: int = 1
    wants_usage: bool = True
    prefix: str = ""
    prompt_tokens: int = 0
    draws: bool = False
    embeds: bool = False
    error: str | None = None


@dataclass
class Said:
    """An answer: its text and thoughts in pieces, its calls as (id, name, arguments), why it ended."""

    pieces: list[str]
    finish: str = "stop"
    thoughts: list[str] = field(default_factory=list)
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0


def answer(asked: Asked, traits: set[str]) -> Said:
    """The answer that every wire tells. traits: words of the model's name, as `reasoning`, `two-tools`, `echo`."""
    said = Said(pieces=[], prompt=asked.prompt_tokens)
    if "reasoning" in traits or "only-reasoning" in traits:
        said.thoughts = list(THOUGHTS)
        said.reasoning = len(THOUGHTS)
    if "cached" in traits:
        said.cached = asked.prompt_tokens // 2
    if asked.tools and asked.tool_result is None and "no-call" not in traits:
        names = asked.tools[:2] if "two-tools" in traits else asked.tools[:1]
        arguments = {} if "no-arguments" in traits else {"city": "Zürich"}
        said.calls = [(f"call_{i + 1}_{name}", name, arguments) for i, name in enumerate(names)]
        if names == ["web_search"] and arguments:
            wanted = [asked.text] + ["more", "and more"] * ("three-calls" in traits)
            said.calls = [(f"call_{i + 1}", "web_search", {"query": words}) for i, words in enumerate(wanted)]
        said.pieces = ["Let me ", "look. "] if "talks-first" in traits else []
        said.finish = "tool_calls"
    else:
        said.pieces = _pieces(asked, traits)
        _shorten(said, asked)
    said.completion = max(1, len(said.pieces)) + said.reasoning
    return said


def _pieces(asked: Asked, traits: set[str]) -> list[str]:
    if {"empty-answer", "only-reasoning"} & traits:
        return []
    for trait in traits:
        if found := re.fullmatch(r"chunks-(\d+)(?:-of-(\d+))?", trait):
            return ["token ".ljust(int(found[2] or 0), "x")] * int(found[1])
    if "nul" in traits:
        return ["a\0", "b"]
    text = "Answer to: " + asked.text
    if asked.json_mode:
        text = json.dumps({"answer": asked.text}, ensure_ascii=False)
    elif "echo" in traits:
        text = asked.text
    elif asked.tool_result is not None:
        text = "The tool said: " + asked.tool_result
    elif asked.pictures:
        text = f"I see {len(asked.pictures)} picture(s): " + ", ".join(asked.pictures)
    if "other" in traits:
        text = "Quite another answer. " + text
    text = _gone_on(text, asked.prefix, traits)
    for trait in traits:
        if found := re.fullmatch(r"letters-(\d+)", trait):
            return re.findall(f"(?s).{{1,{found[1]}}}", text)
    return re.findall(r"\s*\S+\s*|\s+", text)


def _gone_on(text: str, prefix: str, traits: set[str]) -> str:
    """What comes behind the prefix, as models go on: most with the next letter, some without the space before it, some
    with the whole word in which the prefix ends. Without such a trait the answer begins anew."""
    if not prefix or not text.startswith(prefix):
        return text
    rest = text[len(prefix) :]
    if "continues" in traits:
        return rest
    if "continues-spaceless" in traits:
        return rest.lstrip()
    if "whole-word" in traits:
        word = re.search(r"\w*\Z", prefix)
        return (word[0] if word else "") + rest
    return text


def _shorten(said: Said, asked: Asked) -> None:
    text = "".join(said.pieces)
    ends = [at for stop in asked.stops if (at := text.find(stop)) >= 0]
    if ends:
        said.pieces = [text[: min(ends)]]
    if asked.max_tokens is not None and len(said.pieces) > asked.max_tokens:
        said.pieces = said.pieces[: asked.max_tokens]
        said.finish = "length"


def _count(*texts: str) -> int:
    return sum(len(text.encode()) for text in texts) // 4 + 3


# --- OpenAI -----------------------------------------------------------------------------------------------------


def hear_openai(body: dict[str, Any]) -> Asked:
    asked = Asked("openai", str(body.get("model")), body.get("stream") is True, "")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        asked.error = "'messages' must be a list that is not empty"
        return asked
    if "stream_options" in body and not asked.stream:
        asked.error = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
    texts = []
    for message in messages:
        if message.get("role") not in ("system", "developer", "user", "assistant", "tool"):
            asked.error = f"Invalid role {message.get('role')!r}"
        content = message.get("content")
        for part in content if isinstance(content, list) else [{"type": "text", "text": content or ""}]:
            if part["type"] == "text":
                texts.append(part["text"])
                if message["role"] == "user":
                    asked.text = part["text"]
            elif part["type"] == "image_url":
                asked.pictures.append(part["image_url"]["url"].partition(";")[0].removeprefix("data:"))
    last = messages[-1]
    asked.prefix = (last.get("content") or "") * (last.get("role") == "assistant")
    if last.get("role") == "tool":
        asked.tool_result = last["content"]
        if not any(c["id"] == last["tool_call_id"] for m in messages for c in m.get("tool_calls") or ()):
            asked.error = "a tool message must follow the call it answers"
    if body.get("tool_choice") != "none":
        asked.tools = [tool["function"]["name"] for tool in body.get("tools") or ()]
    asked.json_mode = (body.get("response_format") or {}).get("type", "text") != "text"
    asked.max_tokens = body.get("max_completion_tokens") or body.get("max_tokens")
    stop = body.get("stop") or []
    asked.stops = [stop] if isinstance(stop, str) else stop
    asked.n = body.get("n") or 1
    asked.wants_usage = not asked.stream or bool((body.get("stream_options") or {}).get("include_usage"))
    asked.prompt_tokens = _count(*texts)
    return asked


def _openai_usage(said: Said, n: int) -> dict[str, Any]:
    completion = said.completion * n
    return {
        "prompt_tokens": said.prompt,
        "completion_tokens": completion,
        "total_tokens": said.prompt + completion,
        "prompt_tokens_details": {"cached_tokens": said.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": said.reasoning * n, "audio_tokens": 0},
    }


def openai_json(asked: Asked, said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(said.pieces) or None, "refusal": None}
    if said.thoughts:
        message["reasoning_content"] = "".join(said.thoughts)
    if said.calls:
        message["tool_calls"] = [
            {"id": i, "type": "function", "function": {"name": name, "arguments": json.dumps(given)}}
            for i, name, given in said.calls
        ]
    return {
        "id": "chatcmpl-emulated",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": asked.model,
        "choices": [
            {"index": i, "message": message, "logprobs": None, "finish_reason": said.finish} for i in range(asked.n)
        ],
        "usage": _openai_usage(said, asked.n),
        "system_fingerprint": "fp_emulated",
    }


def openai_chunks(asked: Asked, said: Said) -> list[Any]:
    """The chunks of a stream, the text "[DONE]" last."""

    def chunk(index: int, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**head, "choices": [choice], **({"usage": None} if asked.wants_usage else {})}

    head = {
        "id": "chatcmpl-emulated",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": asked.model,
        "system_fingerprint": "fp_emulated",
    }
    chunks = []
    for i in range(asked.n):
        chunks.append(chunk(i, {"role": "assistant", "content": ""}))
        chunks += [chunk(i, {"reasoning_content": piece}) for piece in said.thoughts]
        chunks += [chunk(i, {"content": piece}) for piece in said.pieces]
        for at, (call_id, name, given) in enumerate(said.calls):
            start = {"index": at, "id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
            chunks.append(chunk(i, {"tool_calls": [start]}))
            for piece in re.findall(r".{1,5}", json.dumps(given)):
                chunks.append(chunk(i, {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}))
        chunks.append(chunk(i, {}, said.finish))
    if asked.wants_usage:
        chunks.append({**head, "choices": [], "usage": _openai_usage(said, asked.n)})
    return [*chunks, "[DONE]"]


def openai_error(status: int, message: str, code: str | None = None) -> dict[str, Any]:
    types = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    kind = types.get(status, "invalid_request_error" if status < 500 else "server_error")
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


# --- Gemini -----------------------------------------------------------------------------------------------------

GEMINI_FIELDS = {"contents", "systemInstruction", "generationConfig", "tools", "toolConfig", "safetySettings"}
GEMINI_CONFIG = {
    "temperature", "topP", "topK", "candidateCount", "maxOutputTokens", "stopSequences", "seed", "presencePenalty",
    "frequencyPenalty", "responseMimeType", "responseSchema", "responseJsonSchema", "responseLogprobs", "logprobs",
    "thinkingConfig", "responseModalities", "imageConfig",
}  # fmt: skip


def hear_gemini(body: dict[str, Any], model: str, stream: bool) -> Asked:
    asked = Asked("gemini", model, stream, "")
    config = body.get("generationConfig") or {}
    unknown = (body.keys() - GEMINI_FIELDS) | (config.keys() - GEMINI_CONFIG)
    if unknown:
        asked.error = f'Invalid JSON payload received. Unknown name "{min(unknown)}": Cannot find field.'
    texts = []
    for turn in body.get("contents") or ():
        if turn.get("role") not in ("user", "model"):
            asked.error = "Please use a valid role: user, model."
        if not turn.get("parts"):
            asked.error = "contents.parts must not be empty."
        for part in turn.get("parts") or ():
            if "text" in part:
                texts.append(part["text"])
                if turn["role"] == "user":
                    asked.text = part["text"]
            elif "inlineData" in part:
                blob = part["inlineData"]
                # Protobuf's JSON takes both spellings, and Google's own SDK sends this one.
                asked.pictures.append(blob.get("mimeType") or blob["mime_type"])
    if not body.get("contents"):
        asked.error = "contents is not specified"
    else:
        last = body["contents"][-1]["parts"][-1]
        if "functionResponse" in last:
            response = last["functionResponse"]["response"]
            asked.tool_result = response["result"] if "result" in response else json.dumps(response)
    mode = ((body.get("toolConfig") or {}).get("functionCallingConfig") or {}).get("mode")
    if mode != "NONE":
        asked.tools = [f["name"] for t in body.get("tools") or () for f in t.get("functionDeclarations") or ()]
    texts += [part["text"] for part in (body.get("systemInstruction") or {}).get("parts") or ()]
    asked.json_mode = config.get("responseMimeType") == "application/json"
    asked.max_tokens = config.get("maxOutputTokens")
    asked.stops = config.get("stopSequences") or []
    asked.draws = "IMAGE" in (config.get("responseModalities") or ())
    asked.n = config.get("candidateCount") or 1
    asked.prompt_tokens = _count(*texts)
    return asked


GEMINI_FINISH = {"stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}


def _gemini_usage(said: Said, n: int) -> dict[str, Any]:
    usage = {
        "promptTokenCount": said.prompt,
        "candidatesTokenCount": (said.completion - said.reasoning) * n,
        "totalTokenCount": said.prompt + said.completion * n,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": said.prompt}],
    }
    if said.reasoning:
        usage["thoughtsTokenCount"] = said.reasoning * n
    if said.cached:
        usage["cachedContentTokenCount"] = said.cached
    return usage


def _gemini_call(call_id: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
    return {"functionCall": {"name": name, "args": given, "id": call_id}, "thoughtSignature": "c2lnbmVk"}


def gemini_json(asked: Asked, said: Said) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    if said.thoughts:
        parts.append({"text": "".join(said.thoughts), "thought": True})
    if said.pieces:
        parts.append({"text": "".join(said.pieces)})
    parts += [_gemini_call(*call) for call in said.calls]
    return {
        "candidates": [
            {
                "content": {"parts": parts, "role": "model"},
                "finishReason": GEMINI_FINISH[said.finish],
                "index": i,
            }
            for i in range(asked.n)
        ],
        "usageMetadata": _gemini_usage(said, asked.n),
        "modelVersion": asked.model,
        "responseId": "emulated",
    }


def gemini_chunks(asked: Asked, said: Said) -> list[Any]:
    def chunk(index: int, parts: list[dict[str, Any]], finish: str | None = None) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": index}
        if finish:
            candidate["finishReason"] = finish
        return {
            "candidates": [candidate],
            "usageMetadata": _gemini_usage(said, asked.n),
            "modelVersion": asked.model,
            "responseId": "emulated",
        }

    chunks = []
    for i in range(asked.n):
        chunks += [chunk(i, [{"text": piece, "thought": True}]) for piece in said.thoughts]
        chunks += [chunk(i, [{"text": piece}]) for piece in said.pieces]
        chunks += [chunk(i, [_gemini_call(*call)]) for call in said.calls]
        chunks.append(chunk(i, [{"text": ""}], GEMINI_FINISH[said.finish]))
    return chunks


GEMINI_STATUS = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip


def gemini_error(status: int, message: str, code: str | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"code": status, "message": message, "status": GEMINI_STATUS.get(status, "UNKNOWN")}
    if code:
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code}]
    return {"error": error}


# --- Anthropic --------------------------------------------------------------------------------------------------

ANTHROPIC_FIELDS = {
    "model", "max_tokens", "messages", "system", "stream", "stop_sequences", "temperature", "top_p", "top_k", "tools",
    "tool_choice", "metadata", "thinking", "output_config", "service_tier",
}  # fmt: skip


def hear_anthropic(body: dict[str, Any]) -> Asked:
    asked = Asked("anthropic", str(body.get("model")), body.get("stream") is True, "")
    unknown = body.keys() - ANTHROPIC_FIELDS
    if unknown:
        asked.error = f"{min(unknown)}: Extra inputs are not permitted"
    if type(body.get("max_tokens")) is not int:
        asked.error = "max_tokens: Field required"
    texts = [body.get("system") or ""]
    open_calls: set[str] = set()
    for turn in body.get("messages") or ():
        if turn.get("role") not in ("user", "assistant"):
            asked.error = f'messages: Unexpected role "{turn.get("role")}".'
        content = turn.get("content")
        blocks = content if isinstance(content, list) else [{"type": "text", "text": content}]
        results = {b["tool_use_id"] for b in blocks if b["type"] == "tool_result"}
        if open_calls - results:
            asked.error = "`tool_use` ids were found without `tool_result` blocks immediately after"
        open_calls = {b["id"] for b in blocks if b["type"] == "tool_use"}
        for block in blocks:
            if block["type"] == "text":
                texts.append(block["text"])
                if turn["role"] == "user":
                    asked.text = block["text"]
            elif block["type"] == "image":
                asked.pictures.append(block["source"]["media_type"])
        asked.prefix = blocks[-1].get("text", "") if turn.get("role") == "assistant" and blocks else ""
        asked.tool_result = None
        if blocks and blocks[-1]["type"] == "tool_result":
            asked.tool_result = "".join(b["text"] for b in blocks[-1]["content"])
    if (body.get("tool_choice") or {}).get("type") != "none":
        asked.tools = [tool["name"] for tool in body.get("tools") or ()]
    asked.json_mode = "format" in (body.get("output_config") or {}) or "JSON object" in (body.get("system") or "")
    asked.max_tokens = body.get("max_tokens")
    asked.stops = body.get("stop_sequences") or []
    asked.prompt_tokens = _count(*texts)
    return asked


ANTHROPIC_FINISH = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"}


def _anthropic_input(said: Said) -> dict[str, Any]:
    return {
        "input_tokens": said.prompt - said.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": said.cached,
    }


def _anthropic_blocks(said: Said) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if said.thoughts:
        blocks.append({"type": "thinking", "thinking": "".join(said.thoughts), "signature": "signed"})
    if said.pieces:
        blocks.append({"type": "text", "text": "".join(said.pieces)})
    blocks += [{"type": "tool_use", "id": i, "name": name, "input": given} for i, name, given in said.calls]
    return blocks


def anthropic_json(asked: Asked, said: Said) -> dict[str, Any]:
    details = {"thinking_tokens": said.reasoning}
    return {
        "id": "msg_emulated",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": _anthropic_blocks(said),
        "stop_reason": ANTHROPIC_FINISH[said.finish],
        "stop_sequence": None,
        "usage": {**_anthropic_input(said), "output_tokens": said.completion, "output_tokens_details": details},
    }


def anthropic_chunks(asked: Asked, said: Said) -> list[Any]:
    message = {**anthropic_json(asked, said), "content": [], "stop_reason": None}
    message["usage"] = {**_anthropic_input(said), "output_tokens": 1}
    chunks: list[Any] = [{"type": "message_start", "message": message}]
    for index, block in enumerate(_anthropic_blocks(said)):
        chunks += _anthropic_block(index, block, said)
        if index == 0:
            chunks.append({"type": "ping"})
    ended = {"stop_reason": ANTHROPIC_FINISH[said.finish], "stop_sequence": None}
    usage = {"output_tokens": said.completion, "output_tokens_details": {"thinking_tokens": said.reasoning}}
    return [*chunks, {"type": "message_delta", "delta": ended, "usage": usage}, {"type": "message_stop"}]


def _anthropic_block(index: int, block: dict[str, Any], said: Said) -> list[Any]:
    kind = block["type"]
    if kind == "text":
        start, deltas = {"type": "text", "text": ""}, [{"type": "text_delta", "text": p} for p in said.pieces]
    elif kind == "thinking":
        start = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": p} for p in said.thoughts]
        deltas.append({"type": "signature_delta", "signature": "signed"})
    else:
        start = {**block, "input": {}}
        written = json.dumps(block["input"]) if block["input"] else ""
        deltas = [{"type": "input_json_delta", "partial_json": ""}]
        deltas += [{"type": "input_json_delta", "partial_json": p} for p in re.findall(r".{1,5}", written)]
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


ANTHROPIC_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 413: "request_too_large", 429: "rate_limit_error", 500: "api_error",
    504: "timeout_error", 529: "overloaded_error",
}  # fmt: skip


def anthropic_error(status: int, message: str, code: str | None = None) -> dict[str, Any]:
    kind = code or ANTHROPIC_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_emulated"}


# --- all of them ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wire:
    whole: Callable[[Asked, Said], dict[str, Any]]
    chunks: Callable[[Asked, Said], list[Any]]
    error: Callable[..., dict[str, Any]]


WIRES = {
    "openai": Wire(openai_json, openai_chunks, openai_error),
    "gemini": Wire(gemini_json, gemini_chunks, gemini_error),
    "anthropic": Wire(anthropic_json, anthropic_chunks, anthropic_error),
}


def frame(wire: str, chunk: Any) -> bytes:
    """A chunk as an event, in the bytes its real maker would send."""
    data = chunk if isinstance(chunk, str) else json.dumps(chunk, ensure_ascii=False, separators=(",", ":"))
    if wire == "anthropic" and isinstance(chunk, dict):
        return f"event: {chunk['type']}\ndata: {data}\n\n".encode()
    end = "\r\n\r\n" if wire == "gemini" else "\n\n"
    return f"data: {data}{end}".encode()
