"""Which requests are equal: the key under which an answer is kept. Pure.

Everything that may change an answer is in it, said so that no two different things read the same: each text goes in
behind its length, each list and mapping behind its count, mappings in the order of their names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import PurePath
from typing import Any, Final

from app.domain.chat import ChatRequest, Message, TextPart

#: Raised when keys are made otherwise: nothing that was kept before is found then.
FORM: Final = 1
#: Parameters that no answer depends on.
IDLE: Final = frozenset({"user"})
GUEST: Final = "guest"


@dataclass(frozen=True, slots=True)
class CacheKey:
    """tenant: id of the user whose answers are looked through, in every key and query. digest: 64 hex digits."""

    tenant: str
    digest: str


def cache_key(request: ChatRequest, prompt: Sequence[Message]) -> CacheKey:
    """The key of an answer to this request, of which this is the whole prompt that is sent."""
    return CacheKey(request.caller.user_id, _digest([_asked(request), [_message(message) for message in prompt]]))


def scope_of(request: ChatRequest, prompt: Sequence[Message]) -> tuple[str, str] | None:
    """What an answer to a near-equal question must share with this one, as a digest, and the question itself: the last
    message, where that is a user's in plain text."""
    last = prompt[-1] if prompt else None
    question = _plain(last.content) if last is not None and last.role == "user" else None
    if last is None or question is None:
        return None
    before = [_message(message) for message in prompt[:-1]]
    return _digest(["near", _asked(request), before, last.name]), question


def _plain(content: object) -> str | None:
    if isinstance(content, str):
        return content
    if isinstance(content, tuple) and all(isinstance(part, TextPart) for part in content):
        return "\n".join(part.text for part in content)
    return None


def _asked(request: ChatRequest) -> list[object]:
    """All but the messages: who asks, under which rights, what of whom."""
    caller, wishes = request.caller, request.wishes
    ref = request.conversation
    return [
        FORM,
        caller.user_id,
        caller.role,
        None if caller.models is None else sorted(caller.models),
        # Guests are one user here; the conversation's id is all that parts them.
        ref.public_id if caller.role == GUEST and ref is not None else None,
        request.model,
        request.strategy,
        list(request.fallbacks),
        request.max_tokens,
        {name: value for name, value in request.params.items() if name not in IDLE},
        {field.name: getattr(wishes, field.name) for field in fields(wishes) if field.name != "cache"},
    ]


def _message(message: Message) -> list[object]:
    return [
        message.role,
        message.content,
        message.name,
        list(message.tool_calls),
        message.tool_call_id,
        message.reasoning,
    ]


def _digest(value: object) -> str:
    hashed = hashlib.sha256()
    _feed(hashed.update, value)
    return hashed.hexdigest()


def _feed(update: Callable[[bytes], object], value: Any) -> None:
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
        update(b"s%d:" % len(data))
        update(data)
    elif isinstance(value, bytes):
        update(b"b%d:" % len(value))
        update(value)
    elif value is None or value is True or value is False:
        update(b"n" if value is None else b"t" if value else b"f")
    elif isinstance(value, int | float):
        # JSON's 1 and 1.0 are one number.
        whole = int(value) if isinstance(value, int) or value.is_integer() else value
        update(b"#%b;" % repr(whole).encode())
    elif isinstance(value, Mapping):
        update(b"{%d:" % len(value))
        for name in sorted(value):
            _feed(update, name)
            _feed(update, value[name])
    elif isinstance(value, list | tuple):
        update(b"[%d:" % len(value))
        for item in value:
            _feed(update, item)
    elif isinstance(value, PurePath):
        update(b"/")
        _feed(update, str(value))
    elif is_dataclass(value):
        update(b"<")
        _feed(update, type(value).__name__)
        _feed(update, [getattr(value, field.name) for field in fields(value)])
    else:
        raise TypeError(f"no part of a request: {type(value).__name__}")
