"""How long a text is in tokens, before any provider has counted it."""

from __future__ import annotations

from collections.abc import Iterable

from app.domain.chat import ImagePart, Message, TextPart
from app.domain.events import Delta

BYTES_A_TOKEN = 4
TOKENS_A_MESSAGE = 4
TOKENS_AN_IMAGE = 765  # OpenAI's published figure for a 1024 x 1024 picture in high detail


def estimate(text: str) -> int:
    """Tokens of a text by its UTF-8 length: against o200k English +2 %, Chinese +7 %, German +44 %, code -32 %."""
    return -(-size_of(text) // BYTES_A_TOKEN)


def size_of(text: str) -> int:
    """Bytes of a text in UTF-8; a lone surrogate has three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def said_bytes(delta: Delta) -> int:
    """Bytes of all that a piece of an answer says: text, reasoning, and tool calls with their names."""
    size = size_of(delta.text)
    if delta.reasoning:
        size += size_of(delta.reasoning)
    for part in delta.tool_calls:
        size += size_of(part.name or "") + size_of(part.arguments)
    return size


def estimate_prompt(messages: Iterable[Message]) -> int:
    """Tokens of a whole prompt: texts, tool calls, a flat figure a picture and a little for each message's frame."""
    return sum(TOKENS_A_MESSAGE + _content(message) + _calls(message) for message in messages)


def _content(message: Message) -> int:
    content = message.content
    if content is None:
        return 0
    if isinstance(content, str):
        return estimate(content)
    total = 0
    for part in content:
        if isinstance(part, TextPart):
            total += estimate(part.text)
        elif isinstance(part, ImagePart):
            total += TOKENS_AN_IMAGE
    return total


def _calls(message: Message) -> int:
    return sum(estimate(call.name) + estimate(call.arguments) for call in message.tool_calls)
