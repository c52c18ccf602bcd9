"""What every wire has in common: an encoded request, how far its answers have come, numbers to be trusted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from app.adapters import faults
from app.adapters.sse import ErrorEvent
from app.domain.chat import FinishReason, Message, TextPart
from app.domain.errors import ProviderFault
from app.domain.events import Finish, ProviderEvent, Silence, Skipped, ToolCallPart
from app.domain.usage import Usage
from app.utils.ids import new_public_id

MAX_CHOICE = 127  # OpenAI's largest `n` is 128
BAD_CHUNK = (TypeError, AttributeError, KeyError, ValueError, IndexError)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request without its host. path: begins with a slash and follows the base URL."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Answers:
    """How far the `expected` answers of one call have come; a decoder tells it, the strategy asks it.

    complete: as many answers as were asked for have ended. done: the wire's own end mark came.
    """

    __slots__ = ("_calls", "_held", "began", "complete", "done", "expected", "finished", "spoke")

    def __init__(self, expected: int = 1) -> None:
        self.expected = expected
        self.began: set[int] = set()
        self.spoke: set[int] = set()
        self.finished: dict[int, FinishReason] = {}
        self.complete = False
        self.done = False
        self._held: list[Finish] = []
        self._calls: dict[int, CallIndex] = {}

    def calls(self, choice: int) -> CallIndex:
        known = self._calls.get(choice)
        if known is None:
            known = self._calls[choice] = CallIndex()
        return known

    def finish(self, choice: int, reason: FinishReason) -> Finish | None:
        """The event that ends an answer, None where it had ended. An answer without content is held back.

        Raises ProviderFault: `content_filtered` or `bad_reply` where all have ended and none says anything.
        """
        if choice in self.finished:
            return None
        self.finished[choice] = reason
        self.began.add(choice)
        self.complete = len(self.finished) >= self.expected
        finish = Finish(reason, choice)
        if choice in self.spoke or reason == "length":
            return finish
        self._held.append(finish)
        if self.complete:
            self._refuse_if_empty()
        return None

    def end(self) -> list[Finish]:
        """What was held back, when the reply has ended.

        Raises ProviderFault: `cut` where an answer has not ended, `bad_reply` where there is none.
        """
        if not self.began:
            raise ProviderFault("bad_reply", "the reply holds no answer", status=200)
        if not self.finished or self.began - self.finished.keys():
            raise ProviderFault("cut", "the reply ended before its finish reason", status=200)
        self._refuse_if_empty()
        return self._held

    def _refuse_if_empty(self) -> None:
        if self.spoke or len(self._held) < len(self.finished):
            return
        if any(finish.reason == "content_filter" for finish in self._held):
            raise ProviderFault("content_filtered", "the provider's filter refused to answer", status=200)
        raise ProviderFault("bad_reply", "an empty answer", status=200)


class CallIndex:
    """Gives the pieces of tool calls their place: by id, by the wire's index, else after the last piece."""

    __slots__ = ("_by_id", "_by_index", "_last", "_next")

    def __init__(self) -> None:
        self._by_index: dict[int, int] = {}
        self._by_id: dict[str, int] = {}
        self._last: int | None = None
        self._next = 0

    @property
    def count(self) -> int:
        return self._next

    def place(self, index: int | None, call_id: str | None, name: str | None, arguments: str) -> ToolCallPart:
        """The piece as the domain has it: id (made where none came) and name with the first piece alone.

        Raises TypeError for what is no text.
        """
        if not (isinstance(call_id, str | None) and isinstance(name, str | None) and isinstance(arguments, str)):
            raise TypeError(call_id, name, arguments)
        position = self._find(index, call_id, name)
        if position is not None:
            self._last = position
            return ToolCallPart(position, arguments=arguments)
        position = self._last = self._next
        self._next += 1
        if index is not None:
            self._by_index[index] = position
        call_id = call_id or "call_" + new_public_id()
        self._by_id[call_id] = position
        return ToolCallPart(position, call_id, name or "", arguments)

    def _find(self, index: int | None, call_id: str | None, name: str | None) -> int | None:
        if call_id:
            return self._by_id.get(call_id)
        if index is not None:
            return self._by_index.get(index)
        return None if name else self._last


def read_chunks(
    events: Iterable[bytes], answers: Answers, read: Callable[[Any], list[ProviderEvent]]
) -> Iterator[ProviderEvent]:
    """The data of events as `read` understands each. What cannot be read is skipped, what follows the end dropped.

    Raises ProviderFault: of an event named `error`, of `read`, and at the end of `Answers.end`.
    """
    loads = orjson.loads
    for data in events:
        if not data:
            yield Silence()
            continue
        if answers.done:
            continue
        if data == b"[DONE]":
            answers.done = True
            yield from answers.end()
            continue
        try:
            out = read(loads(data))
        except BAD_CHUNK:
            if isinstance(data, ErrorEvent):
                raise faults.told(data.decode("utf-8", "replace")) from None
            yield Skipped()
            continue
        yield from out
        if data.__class__ is ErrorEvent:
            raise faults.told(loads(data))
    if not answers.done:
        yield from answers.end()


def usage_of(prompt: Any, completion: Any, cached: Any = None, reasoning: Any = None) -> Usage | None:
    """Usage from a provider's numbers, None where they cannot be true: negative, broken, a part above
    its whole."""
    if not _whole(prompt) or not _whole(completion):
        return None
    cached = 0 if cached is None else cached
    reasoning = 0 if reasoning is None else reasoning
    if not _whole(cached) or not _whole(reasoning) or cached > prompt or reasoning > completion:
        return None
    return Usage(prompt=prompt, completion=completion, cached=cached, reasoning=reasoning)


def _whole(value: object) -> bool:
    return type(value) is int and value >= 0


def json_object(body: bytes) -> dict[str, Any]:
    """The object that a whole reply is. Raises ProviderFault(bad_reply) for anything else."""
    try:
        value = orjson.loads(body)
    except ValueError as fault:
        raise ProviderFault("bad_reply", "the reply is no JSON", status=200) from fault
    if not isinstance(value, dict):
        raise ProviderFault("bad_reply", "the reply is no JSON object", status=200)
    return value


def as_json(body: dict[str, Any]) -> bytes:
    """A request's body. Raises ProviderFault(invalid_request) for what JSON cannot say."""
    try:
        return orjson.dumps(body)
    except TypeError as fault:
        message = f"the request cannot be written as JSON: {fault}"
        raise ProviderFault("invalid_request", message, sent=False) from fault


def plain_text(message: Message) -> str:
    """A message's text, its parts' texts joined by a blank line."""
    content = message.content
    if isinstance(content, tuple):
        return "\n\n".join(part.text for part in content if isinstance(part, TextPart))
    return content or ""


def split_data_url(url: str) -> tuple[str, str]:
    """(media type, base64) of a `data:` URL. Raises ProviderFault(invalid_request) for any other."""
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        raise ProviderFault("invalid_request", "a picture must be a base64 data: URL here", sent=False)
    return head[5:].partition(";")[0] or "image/png", data
