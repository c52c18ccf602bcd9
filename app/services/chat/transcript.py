"""What a chat has said so far, folded from its deltas."""

from __future__ import annotations

from app.domain.chat import FinishReason, ToolCall
from app.domain.events import Answer, Delta, Finish, Picture, ToolCallPart
from app.domain.policies.tokens import PICTURE_TOKENS, Count, estimate
from app.domain.sound import Heard
from app.domain.usage import Usage


class _Choice:
    """One of `n` answers while it grows."""

    __slots__ = ("calls", "finish", "logprobs", "reasoning", "text")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.calls: dict[int, ToolCallPart] = {}
        self.logprobs: object = None
        self.finish: FinishReason | None = None

    def add_call(self, part: ToolCallPart) -> None:
        known = self.calls.get(part.index)
        if known is None:
            self.calls[part.index] = ToolCallPart(part.index, part.id, part.name, part.arguments)
            return
        known.id = known.id or part.id
        known.name = known.name or part.name
        known.arguments += part.arguments

    def answer(self) -> Answer:
        calls = tuple(
            ToolCall(part.id or "", part.name or "", part.arguments) for _, part in sorted(self.calls.items())
        )
        return Answer("".join(self.text), "".join(self.reasoning), calls, self.finish or "stop", self.logprobs)


class Transcript:
    """Add deltas, pictures, vectors and finishes as they pass; read the answers, the text or a count at any time."""

    def __init__(self) -> None:
        self.pictures: list[Picture] = []
        self.heard: Heard | None = None
        self.vectors: list[bytes] = []
        self._choices: dict[int, _Choice] = {}

    def add(self, delta: Delta) -> None:
        choice = self._choices.get(delta.choice)
        if choice is None:
            choice = self._choices[delta.choice] = _Choice()
        if delta.text:
            choice.text.append(delta.text)
        if delta.reasoning:
            choice.reasoning.append(delta.reasoning)
        for part in delta.tool_calls:
            choice.add_call(part)
        if delta.logprobs is not None:
            choice.logprobs = _joined(choice.logprobs, delta.logprobs)

    def finish(self, event: Finish) -> None:
        choice = self._choices.setdefault(event.choice, _Choice())
        choice.finish = choice.finish or event.reason

    @property
    def has_content(self) -> bool:
        return bool(self._choices) or bool(self.pictures)

    @property
    def has_calls(self) -> bool:
        return any(choice.calls for choice in self._choices.values())

    @property
    def text(self) -> str:
        """The first answer's text so far."""
        first = self._choices.get(0)
        return "".join(first.text) if first else ""

    @property
    def reasoning(self) -> str:
        first = self._choices.get(0)
        return "".join(first.reasoning) if first else ""

    def answers(self) -> tuple[Answer, ...]:
        return tuple(self._choices[index].answer() for index in sorted(self._choices))

    def counted(self, prompt_tokens: int, count: Count = estimate) -> Usage:
        """Usage where the provider told none: the prompt as estimated and what has been said."""
        said = thought = 0
        for answer in self.answers():
            thought += count(answer.reasoning)
            said += count(answer.text) + sum(count(c.name) + count(c.arguments) for c in answer.tool_calls)
        drawn = len(self.pictures)
        return Usage(
            prompt=prompt_tokens,
            completion=said + thought + drawn * PICTURE_TOKENS,
            reasoning=thought,
            source="counted",
            pictures=drawn,
            picture_tokens=drawn * PICTURE_TOKENS,
        )


def _joined(known: object, new: object) -> object:
    """OpenAI's logprobs of two pieces as those of one: lists of the same name are joined."""
    if not isinstance(known, dict) or not isinstance(new, dict):
        return new
    merged = dict(known)
    for name, value in new.items():
        old = merged.get(name)
        merged[name] = [*old, *value] if isinstance(old, list) and isinstance(value, list) else value
    return merged
