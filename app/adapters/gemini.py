"""The wire of Google's Gemini API: `generateContent`, and `streamGenerateContent` as Server-Sent Events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from app.adapters import faults
from app.adapters.gemini_request import encode
from app.adapters.wire import BAD_CHUNK, MAX_CHOICE, Answers, json_object, read_chunks, usage_of
from app.domain.chat import FinishReason
from app.domain.errors import ProviderFault
from app.domain.events import Delta, ProviderEvent, ToolCallPart, UsageReport
from app.domain.usage import Usage
from app.utils.patience import Patience

__all__ = ["decode_reply", "decode_stream", "encode"]

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
