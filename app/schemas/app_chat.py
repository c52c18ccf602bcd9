"""The app door's chat: its body as a ChatRequest, its events as Server-Sent Events, its reply."""

from __future__ import annotations

from typing import Any

import orjson

from app.domain.caller import Caller
from app.domain.chat import ChatRequest, ConversationRef, Message
from app.domain.errors import InvalidRequest
from app.domain.events import AttemptStarted, Delta, Done, Notice, Restart
from app.domain.money import usd
from app.domain.policies.selection import STRATEGIES
from app.domain.templates import Expand, Expanded
from app.domain.usage import Usage
from app.domain.wishes import CacheWish, SearchWish, Source, Wishes
from app.schemas import checks, template_use
from app.schemas.openai_chat import MAX_FALLBACKS
from app.schemas.parameters import MAX_COMPLETION_TOKENS
from app.utils.ids import new_public_id

MAX_ID = 128
MAX_ATTACHMENTS = 20
FIELDS = frozenset(
    [
        "message",
        "template_id",
        "template_vars",
        "conversation_id",
        "model",
        "strategy",
        "system",
        "temperature",
        "max_tokens",
        "stream",
        "ignore_cache",
        "cache",
        "web_search",
        "memory",
        "attachments",
        "fallbacks",
        "replaces",
    ]
)


def parse_chat(body: dict[str, Any], caller: Caller, prompt_id: str, expand: Expand, *, drain: bool) -> ChatRequest:
    """Raises InvalidRequest naming the field, and what `expand` raises."""
    checks.only(body, FIELDS)
    ref = _conversation(body)
    temperature = checks.number(body, "temperature", 0, 2)
    made = template_use.expanded(body, "message", caller, expand)
    return ChatRequest(
        prompt_id=prompt_id,
        door="app",
        caller=caller,
        model=checks.model(body),
        messages=_messages(body, ref, made),
        stream=checks.boolean(body, "stream"),
        params={} if temperature is None else {"temperature": temperature},
        max_tokens=checks.integer(body, "max_tokens", 1, MAX_COMPLETION_TOKENS),
        strategy=checks.choice(body, "strategy", STRATEGIES),
        fallbacks=checks.names(body, "fallbacks", MAX_FALLBACKS),
        conversation=ref,
        drain=drain,
        wishes=_wishes(body, made),
    )


def _wishes(body: dict[str, Any], made: Expanded | None) -> Wishes:
    return Wishes(
        cache=_cache(body),
        memory=checks.boolean(body, "memory") if body.get("memory") is not None else None,
        web_search=_search(body),
        attachments=_attachments(body),
        template=made.version if made else None,
    )


def _attachments(body: dict[str, Any]) -> tuple[str, ...]:
    ids = checks.names(body, "attachments", MAX_ATTACHMENTS, "the id of a file")
    if ids and len(ids) < len(body["attachments"]):
        raise InvalidRequest("a file is attached twice", field="attachments")
    return ids


def _cache(body: dict[str, Any]) -> CacheWish:
    asked = checks.choice(body, "cache", ("semantic",))
    if checks.boolean(body, "ignore_cache"):
        return "off"
    return "semantic" if asked else "default"


def _search(body: dict[str, Any]) -> SearchWish:
    asked = body.get("web_search")
    if asked is None or asked is False:
        return "no"
    if asked is True:
        return "yes"
    if asked == "auto":
        return "auto"
    raise checks.wrong("web_search", "true, false or auto")


def _messages(body: dict[str, Any], ref: ConversationRef, made: Expanded | None) -> tuple[Message, ...]:
    system = checks.text(body, "system", longest=10_000_000)
    message = made.text if made else checks.text(body, "message", longest=10_000_000)
    if message is None and ref.replaces is None:
        raise InvalidRequest("message is required", field="message")
    if message is not None and not message.strip():
        raise InvalidRequest("message is empty", field="message")
    lead = (Message("system", system),) if system else ()
    return lead if message is None else (*lead, Message("user", message))


def _conversation(body: dict[str, Any]) -> ConversationRef:
    replaces = checks.text(body, "replaces", shortest=1, longest=64)
    public_id = checks.text(body, "conversation_id", shortest=1, longest=MAX_ID)
    if public_id is not None:
        return ConversationRef(public_id, must_exist=True, replaces=replaces)
    if replaces is not None:
        raise InvalidRequest("replaces needs the conversation it stands in", field="conversation_id")
    return ConversationRef(new_public_id(), must_exist=False, fresh=True)


def usage(used: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": used.prompt,
        "completion_tokens": used.completion,
        "cached_tokens": used.cached,
        "reasoning_tokens": used.reasoning,
        "total_tokens": used.total,
    }


def source(found: Source) -> dict[str, Any]:
    if found.url is not None:
        return {"title": found.title, "url": found.url, "text": found.text}
    return {"title": found.title, "file": found.file, "page": found.page, "text": found.text}


def picture(file_id: str) -> dict[str, str]:
    """A drawn picture, at its address on this host."""
    return {"id": file_id, "url": f"/v1/files/{file_id}/content"}


def reply(request: ChatRequest, done: Done) -> dict[str, Any]:
    """The `data` of a reply and of a stream's `end`."""
    answer = done.answers[0]
    return {
        "text": answer.text,
        "conversation_id": request.conversation.public_id if request.conversation else None,
        "model": done.model,
        "provider": done.provider,
        "tokens_used": done.usage.total,
        "usage": usage(done.usage),
        "prompt_id": request.prompt_id,
        "latency_ms": done.latency_ms,
        "cost": None if done.charge is None else usd(done.charge),
        "cached": done.cached,
        "fallback": done.fallback,
        "sources": [source(found) for found in done.sources],
        "images": [picture(file_id) for file_id in done.images],
        "reasoning": answer.reasoning or None,
    }


class EventWriter:
    """Writes one stream's events as the app door's Server-Sent Events; `start` goes before the first of them."""

    def __init__(self, request: ChatRequest) -> None:
        self._request = request
        self._started = False
        self._model = ""

    def attempt(self, event: AttemptStarted) -> None:
        """Who answers from here on."""
        self._model = event.model

    def delta(self, event: Delta) -> bytes:
        data: dict[str, str] = {}
        if event.text:
            data["text"] = event.text
        if event.reasoning:
            data["reasoning"] = event.reasoning
        return self.event("delta", data) if data else b""

    def notice(self, event: Notice) -> bytes:
        return self.event("notice", {"kind": event.kind, "message": event.message})

    def restart(self, event: Restart) -> bytes:
        return self.event("restart", {"model": event.model, "reason": event.reason})

    def end(self, done: Done) -> bytes:
        return self.event("end", reply(self._request, done))

    def error(self, shown: dict[str, Any]) -> bytes:
        """shown: the whole body that the error would have as a reply."""
        return self.event("error", shown["error"])

    def cut(self, shown: dict[str, Any], used: Usage) -> bytes:
        """The money is spent: the error with what was used."""
        error = shown["error"]
        details = error["details"] | {"usage": usage(used), "finish_reason": "length"}
        return self.event("error", error | {"details": details})

    def event(self, name: str, data: dict[str, Any]) -> bytes:
        event = b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(data))
        if self._started:
            return event
        self._started = True
        ref = self._request.conversation
        return (
            self.event(
                "start",
                {
                    "conversation_id": ref.public_id if ref else None,
                    "prompt_id": self._request.prompt_id,
                    "model": self._model or self._request.model,
                },
            )
            + event
        )
