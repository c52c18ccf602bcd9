"""A chat's events on their way out as Server-Sent Events, the same for every door.

While nothing was sent a failure is a real HTTP status: events are pulled until the first content, or until the
first heartbeat is due, before the reply's head is given to the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Protocol

from flask import Response, request

from app.domain.caller import Standing
from app.domain.chat import ChatRequest
from app.domain.errors import BudgetExceeded, DomainError, InvalidRequest
from app.domain.events import (
    Accepted,
    AttemptStarted,
    CacheLook,
    ChatEvent,
    Delta,
    Done,
    Failed,
    Notice,
    Restart,
    Silence,
)
from app.domain.money import usd
from app.domain.usage import Usage
from app.middleware import chat_facts
from app.middleware.errors import error_object, is_openai_door
from app.middleware.in_flight import Chat, InFlight
from app.middleware.limit_headers import limit_headers
from app.schemas import app_chat, openai_chat
from app.services.chat.idempotency import Lead
from app.services.chat.orchestrator import ChatOrchestrator

COMMENT = b": still here\n\n"
WRITE_TIMEOUT = 30.0
HEADERS = {
    "Cache-Control": "no-cache, no-store, no-transform",
    "X-Accel-Buffering": "no",
}


class Writer(Protocol):
    """A door's words for the events."""

    def attempt(self, event: AttemptStarted) -> None: ...
    def delta(self, event: Delta) -> bytes: ...
    def notice(self, event: Notice) -> bytes: ...
    def restart(self, event: Restart) -> bytes: ...
    def end(self, done: Done) -> bytes: ...
    def error(self, shown: dict[str, Any]) -> bytes: ...
    def cut(self, shown: dict[str, Any], used: Usage) -> bytes: ...


def answer(
    orchestrator: ChatOrchestrator, asked: ChatRequest, in_flight: InFlight, client: Any | None, lead: Lead | None
) -> Done:
    """Run a chat that is answered in one piece. lead: of one under an Idempotency-Key. Raises the DomainError it
    ended in."""
    asked = heeded(asked)
    chat = _begin(asked, in_flight, client, lead)
    try:
        for event in orchestrator.run(asked, chat.cancel):
            chat_facts.note(request.environ, event)
            if type(event) is Done:
                return event
            if type(event) is Failed:
                raise _told_whole(event, request.path)
        raise RuntimeError("a chat ended without an ending")
    finally:
        chat.end()


def _told_whole(failed: Failed, path: str) -> DomainError:
    """The error of an answer in one piece; where money cut it, with what came of it."""
    error = failed.error
    if isinstance(error, BudgetExceeded) and failed.usage.completion:
        shown = openai_chat.usage if is_openai_door(path) else app_chat.usage
        error.details |= {"usage": shown(failed.usage), "text": failed.text}
    return error


def _begin(asked: ChatRequest, in_flight: InFlight, client: Any | None, lead: Lead | None) -> Chat:
    if lead is None:
        return in_flight.begin(client, drain=asked.drain)
    lead.conversation = asked.conversation.public_id if asked.conversation else None
    return in_flight.begin(client, drain=asked.drain, wanted=lead.wanted)


def wants_drain() -> bool:
    """Whether the caller asks that the answer is finished though nobody reads it (`X-On-Disconnect: drain`)."""
    value = request.headers.get("X-On-Disconnect")
    if value is None:
        return False
    if value.strip().lower() != "drain":
        raise InvalidRequest("X-On-Disconnect knows one word: drain", field="X-On-Disconnect")
    return True


def heeded(asked: ChatRequest) -> ChatRequest:
    """The request with what its headers say of the cache: `Cache-Control: no-cache` goes past it, `x-cache: use` asks
    for it. Raises InvalidRequest for another word of ours."""
    environ = request.environ
    control, ours = environ.get("HTTP_CACHE_CONTROL"), environ.get("HTTP_X_CACHE")
    if ours is not None and ours.strip().lower() != "use":
        raise InvalidRequest("x-cache knows one word: use", field="x-cache")
    if control is not None and "no-cache" in [word.strip().lower() for word in control.split(",")]:
        return replace(asked, wishes=replace(asked.wishes, cache="off"))
    if ours is not None and asked.wishes.cache == "default":
        return replace(asked, wishes=replace(asked.wishes, cache="use"))
    return asked


def client_socket() -> Any | None:
    """The connection of the present request, where the server shows it."""
    return request.environ.get("gunicorn.socket")


def answer_headers(done: Done) -> dict[str, str]:
    """The headers that tell who answered, at what price."""
    headers = {
        "x-model": header_text(done.model),
        "x-provider": header_text(done.provider),
        "x-attempts": str(done.attempts),
    }
    if done.standing is not None:
        headers |= limit_headers(done.standing)
    if done.degraded is not None:
        headers["x-degraded"] = done.degraded
    if done.cache_hit is not None:
        headers["x-cache"] = "hit" if done.cache_hit else "miss"
    if done.charge is not None:
        headers["x-cost-usd"] = f"{usd(done.charge):.9f}"
    return headers


def header_text(text: str) -> str:
    """A name as a header may bear it: ASCII, escaped, at most 256 characters."""
    if text.isascii() and text.isprintable() and len(text) <= 256:
        return text
    return text.encode("unicode_escape").decode("ascii")[:256]


def stream(
    orchestrator: ChatOrchestrator,
    asked: ChatRequest,
    in_flight: InFlight,
    client: Any | None,
    writer: Writer,
    path: str,
    lead: Lead | None,
) -> Response:
    """Begin a streamed reply. path: of the request, it says the door's error shape. lead: as for `answer`.

    Raises the DomainError of a chat that failed before anything was sent.
    """
    asked = heeded(asked)
    chat = _begin(asked, in_flight, client, lead)
    events = orchestrator.run(asked, chat.cancel)
    body = StreamBody(chat, events, writer, path, drain=asked.drain)
    try:
        headers = body.open()
    except BaseException:
        body.close()
        raise
    if client is not None:
        client.settimeout(WRITE_TIMEOUT)
    return Response(body, headers=headers, content_type="text/event-stream", direct_passthrough=True)


class StreamBody:
    """The reply's iterator. Closing it, begun or not, ends the chat and closes the provider's connection.

    drain: the answer is finished and stored though its reader has left. whole: its end was written, and not an error.
    """

    def __init__(self, chat: Chat, events: Iterator[ChatEvent], writer: Writer, path: str, *, drain: bool) -> None:
        self.drains = drain
        self.whole = False
        self._environ = request.environ
        self._path = path
        self._chat = chat
        self._events = events
        self._writer = writer
        self._first = b""
        self._attempt: AttemptStarted | None = None
        self._degraded: str | None = None
        self._cache: str | None = None
        self._standing: Standing | None = None
        self._out: Iterator[bytes] = iter(())

    def open(self) -> dict[str, str]:
        """Pull events until something is to be sent; the reply's headers as known then."""
        first: list[ChatEvent] = []  # written once it is known who answers: the first words tell it
        for event in self._events:
            if type(event) is AttemptStarted:
                self._attempt = event
                self._writer.attempt(event)
                continue
            if type(event) is CacheLook:
                self._cache = "hit" if event.hit else "miss"
                continue
            if type(event) is Accepted:
                self._degraded, self._standing = event.degraded, event.standing
            if type(event) is Failed:
                for told in (*first, event):
                    chat_facts.note(self._environ, told)
                raise event.error
            first.append(event)
            if type(event) in (Delta, Silence, Done):
                break
        self._out = self._rest(b"".join(map(self._write, first)))
        return self._headers()

    def __iter__(self) -> Iterator[bytes]:
        return self._out

    def close(self) -> None:
        self._out = iter(())
        close = getattr(self._events, "close", None)
        try:
            if self.drains:
                # The server closes us when a write fails; what is left of the answer is heard by nobody but the store.
                for _ in self._events:
                    pass
            if close is not None:
                close()
        finally:
            self._chat.end()

    def _headers(self) -> dict[str, str]:
        headers = dict(HEADERS)
        if self._standing is not None:
            headers |= limit_headers(self._standing)
        if self._degraded is not None:
            headers["x-degraded"] = self._degraded
        if self._cache is not None:
            headers["x-cache"] = self._cache
        if self._attempt is not None:
            headers["x-model"] = header_text(self._attempt.model)
            headers["x-provider"] = header_text(self._attempt.provider)
            headers["x-attempts"] = str(self._attempt.n)
        return headers

    def _rest(self, first: bytes) -> Iterator[bytes]:
        yield first
        write = self._writer.delta
        for event in self._events:
            out = write(event) if type(event) is Delta else self._write(event)
            if out:
                yield out

    def _write(self, event: ChatEvent) -> bytes:
        writer = self._writer
        chat_facts.note(self._environ, event)
        match event:
            case Delta():
                return writer.delta(event)
            case Silence():
                return COMMENT
            case AttemptStarted():
                writer.attempt(event)
                return b""
            case Notice():
                return writer.notice(event)
            case Restart():
                return writer.restart(event)
            case Done():
                self.whole = True
                return writer.end(event)
            case Failed() if isinstance(event.error, BudgetExceeded):
                return writer.cut(error_object(event.error, self._path), event.usage)
            case Failed():
                return writer.error(error_object(event.error, self._path))
            case _:
                return b""
