"""Idempotency-Key at the chat routes: one request is answered, those that equal it get its bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

from flask import Response, request

from app.domain.caller import Caller
from app.domain.errors import DomainError, InvalidRequest, Unavailable
from app.domain.idempotency import Busy, KeptAnswer, KeyedRequest, fingerprint
from app.middleware.errors import error_object
from app.middleware.in_flight import Chat, InFlight
from app.middleware.request_id import HEADER, request_id
from app.routes.streaming import COMMENT, HEADERS, WRITE_TIMEOUT, StreamBody, Writer, client_socket
from app.schemas.json_body import parse_object
from app.services.chat.idempotency import Idempotency, Lead
from app.utils.cancel import Cancel

LONGEST_KEY = 255
LONGEST_ANSWER = 8 * 2**20
REPLAYED = "idempotent-replayed"
HEARTBEAT = 15.0
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.25

#: Of the first reply's headers those that tell of the answer, and what a stream needs on its way.
KEPT_HEADERS = frozenset(
    ["cache-control", "x-accel-buffering", "x-model", "x-provider", "x-attempts", "x-cost-usd", "x-cache"]
)

Make = Callable[[Lead | None], Response]
Words = Callable[[str], Writer]


class ExactlyOnce:
    """longest_wait: seconds that a request waits for the answer to its equal."""

    def __init__(self, claims: Idempotency, in_flight: InFlight, *, longest_wait: float) -> None:
        self._claims = claims
        self._in_flight = in_flight
        self._longest_wait = longest_wait

    def reply(self, caller: Caller, make: Make, words: Words | None = None) -> Response:
        """What `make` gives, or what it gave to an equal request under the same key.

        make: answers the present request; it is handed the Lead of a keyed one. words: makes the Writer of a stream
        under that request id, None at a door that streams nothing. Raises what they raise;
        IdempotencyConflict; InvalidRequest for a key that is none; Unavailable where nobody can tell who is at it.
        """
        key = request.environ.get("HTTP_IDEMPOTENCY_KEY")
        if key is None:
            return make(None)
        asked = _asked(caller, key)
        if asked is None:
            return make(None)
        found = self._claims.begin(asked)
        if isinstance(found, Busy):
            return self._join(asked, found, make, words)
        return _answered(found, make)

    def wait(self, asked: KeyedRequest, cancel: Cancel, seconds: float) -> Lead | KeptAnswer | None:
        """What comes of the other request within that time; None where nothing does, or the present one is stopped."""
        end = time.monotonic() + seconds
        pause = FIRST_PAUSE
        while cancel.reason is None and (left := end - time.monotonic()) > 0:
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, LONGEST_PAUSE)
            found = self._claims.begin(asked)
            if not isinstance(found, Busy):
                return found
        return None

    def _join(self, asked: KeyedRequest, busy: Busy, make: Make, words: Words | None) -> Response:
        client = client_socket()
        waiting = self._in_flight.begin(client, drain=False)
        writer: Writer | None = None
        streams = words is not None and _wants_stream(_body())
        try:
            found = self.wait(asked, waiting.cancel, HEARTBEAT if streams else self._longest_wait)
            if found is None and words is not None and streams:
                writer = words(busy.owner)  # not before: it reads the body, which `make` wants to read
        except BaseException:
            waiting.end()
            raise
        if writer is not None and waiting.cancel.reason is None:
            if client is not None:
                client.settimeout(WRITE_TIMEOUT)
            body = WaitingStream(self, asked, waiting, writer, request.path, self._longest_wait)
            reply = Response(body, headers=HEADERS, content_type="text/event-stream", direct_passthrough=True)
            return _as_replay(reply, busy.owner)
        waiting.end()
        if found is None:
            raise _still_busy()
        return _answered(found, make)


class WaitingStream:
    """The reply to a stream's equal, begun before the answer is whole: comment lines, and then all of it at once.

    Where the other request fails after all, this one ends in an error event: its head bears the other one's id.
    """

    def __init__(
        self,
        once: ExactlyOnce,
        asked: KeyedRequest,
        waiting: Chat,
        writer: Writer,
        path: str,
        longest_wait: float,
    ) -> None:
        self._once = once
        self._asked = asked
        self._waiting = waiting
        self._writer = writer
        self._path = path
        self._end = time.monotonic() + longest_wait

    def __iter__(self) -> Iterator[bytes]:
        while time.monotonic() < self._end and self._waiting.cancel.reason is None:
            yield COMMENT
            try:
                found = self._once.wait(self._asked, self._waiting.cancel, HEARTBEAT)
            except DomainError as error:
                yield self._error(error)
                return
            if isinstance(found, KeptAnswer):
                yield found.body
                return
            if found is not None:
                found.fail()
                break
        yield self._error(_still_busy())

    def close(self) -> None:
        self._waiting.end()

    def _error(self, error: DomainError) -> bytes:
        return self._writer.error(error_object(error, self._path))


class RecordedStream:
    """A streamed reply on its way out, kept when it is whole; before its last bytes go out, so that who has them all
    never starts a second one."""

    def __init__(self, reply: Response, body: StreamBody, lead: Lead) -> None:
        self._reply = reply
        self._body = body
        self._lead = lead
        self._pieces = iter(body)
        self._sent: list[bytes] = []
        self._size = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self._note(piece)
            yield piece

    def close(self) -> None:
        try:
            if not self._body.whole and (self._body.drains or self._lead.wanted()):
                for piece in self._pieces:
                    self._note(piece)
        finally:
            try:
                self._body.close()
            finally:
                self._lead.fail()

    def _note(self, piece: bytes) -> None:
        said = without_comments(piece)
        self._size += len(said)
        if self._size > LONGEST_ANSWER:
            self._sent.clear()
            return
        self._sent.append(said)
        if self._body.whole:
            _keep(self._lead, self._reply, b"".join(self._sent))


def without_comments(piece: bytes) -> bytes:
    """Whole events without the comments between them."""
    if COMMENT not in piece:
        return piece
    return b"\n\n".join(block for block in piece.split(b"\n\n") if not block.startswith(b":"))


def _answered(found: Lead | KeptAnswer, make: Make) -> Response:
    return _replay(found) if isinstance(found, KeptAnswer) else _lead(found, make)


def _lead(lead: Lead, make: Make) -> Response:
    try:
        reply = make(lead)
        body: Any = reply.response
        if isinstance(body, StreamBody):
            reply.response = RecordedStream(reply, body, lead)
            return reply
        sent = reply.get_data()
        if reply.status_code == 200 and len(sent) <= LONGEST_ANSWER:
            _keep(lead, reply, sent)
        else:
            lead.fail()
    except BaseException:
        lead.fail()
        raise
    return reply


def _keep(lead: Lead, reply: Response, sent: bytes) -> None:
    headers = tuple((name.lower(), value) for name, value in reply.headers if name.lower() in KEPT_HEADERS)
    lead.keep(reply.status_code, reply.content_type, headers, sent)


def _replay(answer: KeptAnswer) -> Response:
    reply = Response(answer.body, answer.status, dict(answer.headers), content_type=answer.content_type)
    return _as_replay(reply, answer.owner)


def _as_replay(reply: Response, owner: str) -> Response:
    reply.headers[HEADER] = owner
    reply.headers[REPLAYED] = "true"
    return reply


def _asked(caller: Caller, key: str) -> KeyedRequest | None:
    """The present request; None where a guest has no conversation, and so nothing that is theirs alone."""
    if not 1 <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise InvalidRequest(
            f"Idempotency-Key has 1 to {LONGEST_KEY} printable ASCII characters", field="Idempotency-Key"
        )
    body = _body()
    scope = _scope(caller, body)
    if scope is None:
        return None
    environ = request.environ
    mark = fingerprint(request.method, request.path, environ.get("QUERY_STRING", ""), body)
    return KeyedRequest(scope, key, mark, request_id(), caller.user_id)


def _scope(caller: Caller, body: bytes) -> str | None:
    if caller.is_guest:
        conversation = _conversation(body)
        return None if conversation is None else f"guest:{conversation}"
    return f"user:{caller.user_id}" if caller.key_id is None else f"key:{caller.key_id}"


def _conversation(body: bytes) -> str | None:
    said = _said(body)
    named = said.get("conversation_id") or said.get("session_id")
    return named if type(named) is str and len(named) <= 128 else None


def _wants_stream(body: bytes) -> bool:
    return _said(body).get("stream") is True


def _said(body: bytes) -> dict[str, Any]:
    try:
        return parse_object(body)
    except DomainError:
        return {}  # whoever reads it to answer it says what is wrong with it


def _still_busy() -> Unavailable:
    return Unavailable("the first request with this Idempotency-Key has no answer yet: send it again", retry_after=1)


def _body() -> bytes:
    """The present request's bytes, left in place for who parses them."""
    environ = request.environ
    body: bytes = environ["wsgi.input"].read(request.content_length if request.content_length is not None else -1)
    environ["wsgi.input"] = BytesIO(body)
    return body
