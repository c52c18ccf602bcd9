"""The embedded model: no network, no key. It says what it is, repeats what was asked and counts tokens."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import orjson

from app.domain.chat import ImagePart, Message, Part, ProviderCall, TextPart
from app.domain.errors import ProviderFault
from app.domain.events import Delta, Finish, ProviderEvents, ToolCallPart, UsageReport
from app.domain.policies.tokens import estimate, estimate_prompt
from app.domain.usage import Usage
from app.services.llm.base import BaseLLMService
from app.utils.cancel import Cancel
from app.utils.ids import new_public_id
from app.utils.patience import Patience

PAUSE = 0.002  # between two words, so that a stream looks like one
ECHO = 1_000  # characters of the question that are repeated
_WORD = re.compile(r"\s*\S+\s*")


class DemoService(BaseLLMService):
    """pause: seconds between two words of a stream."""

    def __init__(self, pause: float = PAUSE) -> None:
        self._pause = pause

    def chat(self, call: ProviderCall, patience: Patience, cancel: Cancel) -> ProviderEvents:
        n = call.params.get("n") or 1
        completion = 0
        for choice in range(n):
            tool = _forced_tool(call.params)
            if tool is not None:
                completion += estimate(tool.arguments)
                yield Delta(tool_calls=(tool,), choice=choice)
                yield Finish("tool_calls", choice)
                continue
            text, cut = _shortened(_answer(call), call)
            completion += estimate(text)
            yield from self._say(text, choice, call.stream, patience, cancel)
            yield Finish("length" if cut else "stop", choice)
        yield UsageReport(Usage(prompt=estimate_prompt(call.messages), completion=completion))

    def _say(self, text: str, choice: int, stream: bool, patience: Patience, cancel: Cancel) -> ProviderEvents:
        for piece in _WORD.findall(text) if stream else [text]:
            if cancel.reason is not None:
                raise ProviderFault("cancelled", cancel.reason)
            if time.monotonic() > patience.deadline:
                raise ProviderFault("stalled", "the demo's time is over")
            patience.content()
            yield Delta(piece, choice=choice)
            if stream:
                time.sleep(self._pause)


def _answer(call: ProviderCall) -> str:
    question = _question(call.messages)
    form = call.params.get("response_format")
    kind = form.get("type") if isinstance(form, dict) else None
    if kind == "json_schema":
        schema = form.get("json_schema", {}).get("schema") if isinstance(form, dict) else None
        return orjson.dumps(_sample(schema, question)).decode()
    if kind == "json_object":
        return orjson.dumps({"model": "demo", "you_said": question, "note": "no provider was asked"}).decode()
    system = sum(len((_text(m)).split()) for m in call.messages if m.role in ("system", "developer"))
    turns = sum(m.role == "user" for m in call.messages)
    return (
        "This is the demo model. It is built into this server, needs no key and asks no provider; "
        "it shows that everything around a real model works.\n\n"
        f"You said: {question}\n\n"
        f"That was turn {turns} of this conversation"
        + (f", under a system prompt of {system} words" if system else "")
        + f", about {estimate_prompt(call.messages)} tokens in all. "
        "For answers by a real model, set a provider's key, GROQ_API_KEY for example, and restart."
    )


def _question(messages: tuple[Message, ...]) -> str:
    asked = next((_text(m) for m in reversed(messages) if m.role == "user"), "")
    asked = asked.strip() or "nothing"
    return asked if len(asked) <= ECHO else asked[:ECHO] + "…"


def _text(message: Message) -> str:
    if not isinstance(message.content, tuple):
        return message.content or ""
    return " ".join(_part(part) for part in message.content)


def _part(part: Part) -> str:
    if isinstance(part, TextPart):
        return part.text
    return "[an image]" if isinstance(part, ImagePart) else "[a sound]"


def _shortened(text: str, call: ProviderCall) -> tuple[str, bool]:
    """The text before the first stop word and within max_tokens, and whether the latter cut it."""
    stop = call.params.get("stop")
    words = [stop] if isinstance(stop, str) else stop or ()
    ends = [at for word in words if (at := text.find(word)) >= 0]
    text = text[: min(ends, default=len(text))]
    if call.max_tokens is None or estimate(text) <= call.max_tokens:
        return text, False
    kept = ""
    for piece in _WORD.findall(text):
        if estimate(kept + piece) > call.max_tokens:
            break
        kept += piece
    return kept or text[:1], True


def _forced_tool(params: Mapping[str, Any]) -> ToolCallPart | None:
    """A call of the tool that must be called, with arguments of the right types."""
    choice, tools = params.get("tool_choice"), params.get("tools") or ()
    named = choice.get("function", {}).get("name") if isinstance(choice, dict) else None
    if not tools or (choice != "required" and named is None):
        return None
    functions = [tool.get("function", {}) for tool in tools]
    function = next((f for f in functions if f.get("name") == named), functions[0])
    arguments = orjson.dumps(_sample(function.get("parameters"), "demo")).decode()
    return ToolCallPart(0, "call_" + new_public_id(), named or function.get("name") or "", arguments)


def _sample(schema: Any, text: str, depth: int = 0) -> Any:
    """A small value that fits the plain part of a JSON schema; references are not followed."""
    if not isinstance(schema, dict) or depth > 16:
        return {} if depth == 0 else None
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0] if kind else "null"
    if kind == "object":
        properties = schema.get("properties") or {}
        return {name: _sample(value, text, depth + 1) for name, value in properties.items()}
    plain: dict[Any, Any] = {"string": text, "integer": 1, "number": 1.0, "boolean": True, "array": []}
    return plain.get(kind)
