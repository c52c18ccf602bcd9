"""What is put behind the last thing that the user said; that itself stays as it is."""

from __future__ import annotations

from dataclasses import replace

from app.domain.chat import Message, Part, TextPart


def with_quoted(messages: tuple[Message, ...], quoted: str) -> tuple[Message, ...]:
    """The prompt with this text after the user's last words, in the same turn."""
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if message.role == "user":
            content = message.content if isinstance(message.content, tuple) else (TextPart(message.content or ""),)
            said = replace(message, content=_joined((*content, TextPart(quoted))))
            return (*messages[:index], said, *messages[index + 1 :])
    return (*messages, Message("user", quoted))


def _joined(parts: tuple[Part, ...]) -> str | tuple[Part, ...]:
    """One text where there is nothing else: not every provider takes parts."""
    if all(isinstance(part, TextPart) for part in parts):
        return "\n\n".join(part.text for part in parts if isinstance(part, TextPart) and part.text)
    return parts
