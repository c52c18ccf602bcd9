"""How long a text is in tokens, before any provider has counted it.

The heuristic is for models whose vocabulary nobody ships (Claude, Grok). Its weights are thousandths of a token a byte
of a kind, fitted to the o200k, Llama 3 and DeepSeek vocabularies on prose, code and data; `bench/tokens.py` tells its
errors.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable

from app.domain.chat import FilePart, ImagePart, Message, TextPart, VideoPart
from app.domain.events import Delta, Picture

BYTES_A_TOKEN = 4
TOKENS_A_MESSAGE = 4
TOKENS_AN_IMAGE = 765  # OpenAI's published figure for a 1024 x 1024 picture in high detail

PICTURE_TOKENS = 1_290
"""What a drawn picture is in tokens of output: Gemini's published figure for one of up to 1024 x 1024."""

SECOND_TOKENS = 32
"""What a second of sound is in tokens of a prompt: Gemini's published figure."""

VIDEO_SECOND_TOKENS = 258 + SECOND_TOKENS
"""And a second of a video, a frame a second and its sound."""


#: Tokens of a text.
Count = Callable[[str], int]

_BLANK = b" "
_LETTERS = string.ascii_letters.encode()
_DIGITS = string.digits.encode()
_BREAKS = b"\n\t\r\v\f"
_PUNCTUATION = string.punctuation.encode()
_LEADS_OF_TWO = bytes(range(0xC0, 0xE0))
_LEADS_OF_THREE = bytes(range(0xE0, 0xF0))
_LEADS_OF_FOUR = bytes(range(0xF0, 0x100))
_FOLLOWING = bytes(range(0x80, 0xC0))
_REST = (
    (_PUNCTUATION, 500),
    (_BREAKS, 1000),
    (_DIGITS, 700),
    (_FOLLOWING, 0),
    (_LEADS_OF_TWO, 430),
    (_LEADS_OF_THREE, 780),
    (_LEADS_OF_FOUR, 2000),
)


def estimate(text: str) -> int:
    """Tokens of a text by the kinds of its bytes, in one pass in C for each kind that it has."""
    return -(-_thousandths(text.encode("utf-8", "surrogatepass")) // 1000)


def _thousandths(data: bytes) -> int:
    blanks = data.count(_BLANK)
    rest = data.translate(None, _LETTERS)
    total = 265 * (len(data) - len(rest)) + 30 * blanks
    if len(rest) == blanks:
        return total
    rest = rest.translate(None, _BLANK)
    for kind, weight in _REST:
        left = rest.translate(None, kind)
        total += weight * (len(rest) - len(left))
        if not left:
            return total
        rest = left
    return total + 1000 * len(rest)


def size_of(text: str) -> int:
    """Bytes of a text in UTF-8; a lone surrogate has three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def said_bytes(said: Delta | Picture) -> int:
    """Bytes of all that a piece of an answer says: text, reasoning, and tool calls with their names; of a picture
    those of as many tokens as it is."""
    if isinstance(said, Picture):
        return PICTURE_TOKENS * BYTES_A_TOKEN
    size = size_of(said.text)
    if said.reasoning:
        size += size_of(said.reasoning)
    for part in said.tool_calls:
        size += size_of(part.name or "") + size_of(part.arguments)
    return size


def estimate_prompt(messages: Iterable[Message], count: Count = estimate) -> int:
    """Tokens of a whole prompt: texts, tool calls, a flat figure a picture and a little for each message's frame.

    count: of a text, by the vocabulary of the model that gets it.
    """
    return sum(TOKENS_A_MESSAGE + _content(message, count) + _calls(message, count) for message in messages)


def _content(message: Message, count: Count) -> int:
    content = message.content
    if content is None:
        return 0
    if isinstance(content, str):
        return count(content)
    total = 0
    for part in content:
        if isinstance(part, TextPart):
            total += count(part.text)
        elif isinstance(part, ImagePart):
            total += TOKENS_AN_IMAGE
        elif isinstance(part, VideoPart):
            frames = sum(TOKENS_AN_IMAGE for frame in part.frames if isinstance(frame, ImagePart))
            total += max(frames, part.seconds * VIDEO_SECOND_TOKENS)
        elif isinstance(part, FilePart):
            total += part.seconds * SECOND_TOKENS
    return total


def _calls(message: Message, count: Count) -> int:
    return sum(count(call.name) + count(call.arguments) for call in message.tool_calls)
