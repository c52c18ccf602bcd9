"""The short door's chat: its body as a ChatRequest, its reply with the fields at the top."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from app.domain.caller import Caller
from app.domain.chat import ChatRequest, ConversationRef, Message
from app.domain.errors import InvalidRequest
from app.domain.events import Done
from app.domain.policies.intent import wants_picture
from app.domain.templates import Expand, Expanded
from app.domain.wishes import NO_WISHES, Wishes
from app.schemas import app_chat, checks, template_use
from app.utils.ids import new_public_id

FIELDS = frozenset({"prompt", "template_id", "template_vars", "mode", "session_id"})
QUERY = frozenset({"model", "ignore_cache"})
MODES = frozenset({"text", "image", "auto"})
MAX_SESSION = 128
AUTO = "auto"


def parse_chat(
    body: dict[str, Any],
    query: Mapping[str, str],
    caller: Caller,
    prompt_id: str,
    expand: Expand,
    draws: Callable[[str], bool],
    *,
    drain: bool,
) -> ChatRequest:
    """draws: whether there is a model of that name which does. Raises InvalidRequest naming the field, and what
    `expand` raises."""
    checks.only(body, FIELDS)
    checks.only(query, QUERY)
    mode = checks.choice(body, "mode", MODES)
    ignores_cache = _ignores_cache(query)
    made = template_use.expanded(body, "prompt", caller, expand)
    prompt = made.text if made else checks.text(body, "prompt", longest=10_000_000)
    if prompt is None or not prompt.strip():
        raise InvalidRequest("prompt is required", field="prompt")
    model = checks.model(query)
    return ChatRequest(
        prompt_id=prompt_id,
        door="short",
        caller=caller,
        model=model,
        messages=(Message("user", prompt),),
        conversation=session(body, caller),
        drain=drain,
        wishes=_wishes(ignores_cache, made, picture=_is_picture(mode, model, prompt, draws)),
    )


def _is_picture(mode: str | None, model: str, prompt: str, draws: Callable[[str], bool]) -> bool:
    """Whether an answer is wanted as a picture: as the mode says or, where that is left to us, the prompt."""
    if mode in ("image", "text"):
        return mode == "image"
    if model != AUTO:
        return mode == "auto" and wants_picture(prompt) and draws(model)
    return wants_picture(prompt)


def _wishes(ignores_cache: bool, made: Expanded | None, *, picture: bool) -> Wishes:
    if not (ignores_cache or made or picture):
        return NO_WISHES
    version = made.version if made else None
    return Wishes(cache="off" if ignores_cache else "default", template=version, picture=picture)


def _ignores_cache(query: Mapping[str, str]) -> bool:
    said = query.get("ignore_cache", "false").lower()
    if said not in ("true", "false", "1", "0"):
        raise checks.wrong("ignore_cache", "true or false")
    return said in ("true", "1")


def session(body: Mapping[str, Any], caller: Caller) -> ConversationRef:
    """The session that is named; a fresh one where none is. A guest's has to be there: they share one space of names,
    and a word of their own another could guess. Raises InvalidRequest."""
    name = checks.text(body, "session_id", shortest=1, longest=MAX_SESSION)
    if name is None:
        return ConversationRef(new_public_id(), must_exist=False, fresh=True)
    if "/" in name or any(unicodedata.category(char) == "Cc" for char in name):
        raise checks.wrong("session_id", "a name without / and control characters")
    return ConversationRef(name, must_exist=caller.is_guest)


def reply(request: ChatRequest, done: Done) -> dict[str, Any]:
    return {
        "prompt_id": request.prompt_id,
        "type": "image" if done.images else "text",
        "response": done.answers[0].text,
        "image_url": app_chat.picture(done.images[0])["url"] if done.images else None,
        "model": done.model,
        "provider": done.provider,
        "latency_ms": done.latency_ms,
        "tokens": done.usage.total,
        "cached": done.cached,
        "fallback": done.fallback,
        "session_id": request.conversation.public_id if request.conversation else None,
    }
