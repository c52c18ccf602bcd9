"""The wire of Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from app.adapters import faults
from app.adapters.anthropic_request import encode
from app.adapters.wire import BAD_CHUNK, Answers, json_object, read_chunks, usage_of
from app.domain.chat import FinishReason
from app.domain.errors import ProviderFault
from app.domain.events import Delta, ProviderEvent, ToolCallPart, UsageReport
from app.utils.patience import Patience

__all__ = ["decode_reply", "decode_stream", "encode"]

#: Why an answer ends; another word means `stop`, none that it has not ended.
FINISH: Mapping[str, FinishReason] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


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
            # Its output tokens are a beginning: told now, they would stand for an answer that is broken off.
            self._remember(chunk["message"].get("usage"))
            return []
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

    def _remember(self, told: Any) -> bool:
        if isinstance(told, dict):
            self._usage |= {name: count for name, count in told.items() if count is not None}
        return isinstance(told, dict)

    def _report(self, told: Any) -> list[ProviderEvent]:
        """Counts are cumulative; what was read from or written to the cache stands beside `input_tokens`."""
        if not self._remember(told):
            return []
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
