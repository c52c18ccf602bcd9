"""Which requests are equal: the key under which an answer is kept. Pure.

Everything that may change an answer is in it, said so that no two different things read the same: each text goes in
behind its length, each list and mapping behind its count, mappings in the order of their names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from operator import attrgetter
from pathlib import PurePath
from typing import Any, Final

from app.domain.chat import ChatRequest, Message, TextPart, VideoPart
from app.domain.wishes import NO_WISHES, Wishes

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
        request.fallbacks,
        request.max_tokens,
        {name: value for name, value in request.params.items() if name not in IDLE},
        _wished(wishes),
    ]


def _wished(wishes: Wishes) -> object:
    """All that is asked for beside an answer, but whether the cache serves."""
    asked = _wishes_of(wishes)
    return None if asked == _NOTHING else asked


_WISHES: Final = tuple(field.name for field in fields(Wishes) if field.name != "cache")
_wishes_of = attrgetter(*_WISHES)
_NOTHING: Final = _wishes_of(NO_WISHES)


def _message(message: Message) -> list[object]:
    return [
        message.role,
        message.content,
        message.name,
        message.tool_calls,
        message.tool_call_id,
        message.reasoning,
    ]


def _digest(value: object) -> str:
    said: list[bytes] = []
    _spell(said.append, value)
    return hashlib.sha256(b"".join(said)).hexdigest()


def _spell(say: Callable[[bytes], object], value: Any) -> None:
    kind = type(value)
    if kind is str:
        data = value.encode("utf-8", "surrogatepass")
        say(b"s%d:" % len(data))
        say(data)
    elif value is None or value is True or value is False:
        say(b"n" if value is None else b"t" if value else b"f")
    elif kind is list or kind is tuple:
        say(b"[%d:" % len(value))
        for item in value:
            _spell(say, item)
    elif kind is int or kind is float:
        # JSON's 1 and 1.0 are one number.
        whole = int(value) if kind is int or value.is_integer() else value
        say(b"#%b;" % repr(whole).encode())
    elif isinstance(value, Mapping):
        say(b"{%d:" % len(value))
        for name in sorted(value):
            _spell(say, name)
            _spell(say, value[name])
    elif kind is bytes:
        say(b"b%d:" % len(value))
        say(value)
    elif isinstance(value, PurePath):
        say(b"/")
        _spell(say, str(value))
    elif isinstance(value, VideoPart):
        _spell(say, ["video", value.digest, value.content_type, value.frames])
    elif is_dataclass(value):
        say(b"<")
        _spell(say, kind.__name__)
        _spell(say, [getattr(value, field.name) for field in fields(value)])
    else:
        raise TypeError(f"no part of a request: {kind.__name__}")
