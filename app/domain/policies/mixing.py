"""One model thinks, another answers: what each is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from app.domain.chat import ImagePart, Message, Part, TextPart, VideoPart
from app.domain.policies.earlier import shows_pictures
from app.domain.policies.last_turn import with_quoted
from app.domain.policies.quoting import quoted_notes

MIX: Final = "mix"
PREFIX: Final = "mix:"

THOUGHT_TOKENS: Final = 8_192
"""The most that a reasoner is asked for."""
MOST_THOUGHT: Final = 64 * 1024
"""Characters of thought after which the writer goes on with what there is."""
DESCRIPTION_TOKENS: Final = 1_024

THINK: Final = (
    "You think, and a colleague answers. Work out what is asked, what matters, what is uncertain, and the steps or "
    "figures that the answer needs. Write notes for the colleague; do not write the answer itself."
)
DESCRIBE: Final = (
    "Describe each picture for someone who cannot see it and has to answer the question below: what it shows, its text "
    "word for word, its figures. Do not answer the question."
)
#: What steers the form of an answer, and so nothing that the reasoner's notes are bound by.
_OF_THE_ANSWER: Final = frozenset(
    {"tools", "tool_choice", "parallel_tool_calls", "response_format", "n", "stop", "logprobs", "top_logprobs"}
)


def is_mix(name: str) -> bool:
    return name == MIX or name.startswith(PREFIX)


def pairs(name: str) -> Iterator[tuple[str, str]]:
    """Every way to read `mix:REASONER+WRITER`, since a model's name may have a `+` of its own."""
    rest = name.removeprefix(PREFIX)
    at = rest.find("+")
    while name.startswith(PREFIX) and at > 0:
        if rest[at + 1 :]:
            yield rest[:at], rest[at + 1 :]
        at = rest.find("+", at + 1)


def thinking_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Of a request's parameters those that the reasoner gets too."""
    return {name: value for name, value in params.items() if name not in _OF_THE_ANSWER}


def to_think(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The prompt with the reasoner's task before it."""
    return (Message("system", THINK), *messages)


def to_describe(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The last turn that has pictures, with the task to say what they show."""
    turn = next(message for message in reversed(messages) if shows_pictures(message))
    return (Message("system", DESCRIBE), replace(turn, role="user", name=None))


def without_pictures(messages: tuple[Message, ...], description: str) -> tuple[Message, ...]:
    """The prompt for a model that does not see; the last pictures' description stands in their turn."""
    seeing = [index for index, message in enumerate(messages) if shows_pictures(message)]
    out = list(messages)
    for index in seeing:
        said = quoted_notes("What the pictures show", description) if index == seeing[-1] else "[a picture]"
        out[index] = replace(messages[index], content=(*_texts(messages[index]), TextPart(said)))
    return tuple(out)


def with_notes(messages: tuple[Message, ...], notes: str) -> tuple[Message, ...]:
    """The prompt for the writer: the notes stand quoted after the last thing the user said."""
    return with_quoted(messages, quoted_notes("Notes of a colleague who has thought about this", notes))


def _texts(message: Message) -> tuple[Part, ...]:
    content = message.content if isinstance(message.content, tuple) else ()
    return tuple(
        part
        for part in content
        if not (isinstance(part, VideoPart) or (isinstance(part, ImagePart) and part.instead is None))
    )
