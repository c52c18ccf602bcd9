"""One question and its answer over one wire: what every strategy that speaks HTTP does the same."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from itertools import chain
from typing import Protocol

import gevent

from app.adapters import faults, sse
from app.adapters.wire import Answers, Encoded
from app.domain.chat import ProviderCall
from app.domain.errors import ProviderFault
from app.domain.events import ProviderEvent, Silence
from app.transport.http import HttpReply, HttpRequest, Transport
from app.utils.cancel import Cancel
from app.utils.patience import Patience

MAX_REPLY = 32 * 1024 * 1024
MAX_ERROR = 64 * 1024
ERROR_WAIT = 2.0  # an error's status says most of it: its body is not waited for longer
USAGE_WAIT = 1.0  # from the last finish reason to the usage
END_WAIT = 0.25  # from the wire's end mark to the end of the body, so that the connection can be used again


class Wire(Protocol):
    """An adapter's two ways to read."""

    def decode_reply(self, body: bytes, answers: Answers) -> Iterator[ProviderEvent]: ...

    def decode_stream(
        self, events: Iterable[bytes], answers: Answers, patience: Patience
    ) -> Iterator[ProviderEvent]: ...


def exchange(
    transport: Transport, wire: Wire, encoded: Encoded, call: ProviderCall, patience: Patience, cancel: Cancel
) -> Iterator[ProviderEvent]:
    """Send it, read the answer. Closing the iterator closes the connection. Raises ProviderFault."""
    request = HttpRequest("POST", call.base_url.rstrip("/") + encoded.path, encoded.headers, encoded.body)
    begun = yield from _begun(transport, request, patience, cancel, tells_silence=call.stream)
    with closing(begun) as reply:
        if not 200 <= reply.status < 300:
            raise faults.refused(reply.status, reply.headers, _beginning(reply, patience), call.secret)
        try:
            yield from _answer(reply, wire, call, patience)
        except ProviderFault as fault:
            raise faults.without_secret(fault, call.secret, reply.status) from None


def _begun(
    transport: Transport, request: HttpRequest, patience: Patience, cancel: Cancel, *, tells_silence: bool
) -> Generator[Silence, None, HttpReply]:
    """The reply as soon as its head is there, and silence told where that takes longer than a heartbeat."""
    if not tells_silence or patience.end - time.monotonic() <= patience.tick:
        return transport.send(request, patience, cancel)
    sending = gevent.spawn(_outcome, transport, request, patience, cancel)
    try:
        sending.join(patience.tick)
        while not sending.ready():
            yield Silence()
            sending.join(patience.tick)
    except BaseException:
        sending.kill()
        _close(sending.value)
        raise
    outcome: HttpReply | ProviderFault = sending.get()
    if isinstance(outcome, ProviderFault):
        raise outcome
    return outcome


def _outcome(
    transport: Transport, request: HttpRequest, patience: Patience, cancel: Cancel
) -> HttpReply | ProviderFault:
    # A greenlet that ends in an exception is printed by the hub; as a value it is only raised.
    try:
        return transport.send(request, patience, cancel)
    except ProviderFault as fault:
        return fault


def _close(outcome: HttpReply | ProviderFault | gevent.GreenletExit | None) -> None:
    """Let go of a reply that nobody waits for any more."""
    if outcome is not None and not isinstance(outcome, BaseException):
        outcome.close()


def _answer(reply: HttpReply, wire: Wire, call: ProviderCall, patience: Patience) -> Iterator[ProviderEvent]:
    """What the body holds decides how it is read, not what was asked for nor the content type."""
    answers = Answers(_wanted(call))
    if not call.stream:
        body = reply.read(MAX_REPLY)
        if _is_json(body):
            yield from wire.decode_reply(body, answers)
        else:
            yield from wire.decode_stream(sse.decode([body]), answers, patience)
        return
    blocks = _listened(reply.blocks(), patience)
    first = b""
    for first in blocks:
        if first.strip():
            break
        yield Silence()
    if _is_json(first):
        yield from wire.decode_reply((yield from _whole(first, blocks)), answers)
        return
    events = sse.decode(_until_complete(chain((first,) if first else (), blocks), answers, patience))
    yield from wire.decode_stream(events, answers, patience)


def _whole(first: bytes, blocks: Iterable[bytes]) -> Generator[Silence, None, bytes]:
    """All of a body that came in one piece where a stream was asked for."""
    parts, size = [first], len(first)
    for block in blocks:
        if not block:
            yield Silence()
        parts.append(block)
        size += len(block)
        if size > MAX_REPLY:
            raise ProviderFault("bad_reply", "the reply is larger than 32 MB")
    return b"".join(parts)


def _listened(blocks: Iterable[bytes], patience: Patience) -> Iterator[bytes]:
    """The blocks; the time until the next one is asked for is ours and not the provider's."""
    for block in blocks:
        given = time.monotonic()
        yield block
        patience.rest(time.monotonic() - given)


def _wanted(call: ProviderCall) -> int:
    n = call.params.get("n")
    return n if type(n) is int and n > 0 else 1


def _is_json(body: bytes) -> bool:
    return body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def _until_complete(blocks: Iterable[bytes], answers: Answers, patience: Patience) -> Iterator[bytes]:
    """The blocks, no longer waited for once all is said: an answer that is whole does not fail any more."""
    hurried = 0.0
    try:
        for block in blocks:
            yield block
            wait = END_WAIT if answers.done else USAGE_WAIT if answers.complete else 0.0
            if wait and wait != hurried:
                hurried = wait
                patience.until = min(patience.until, time.monotonic() + wait)
    except ProviderFault as fault:
        if not answers.complete or fault.kind == "cancelled":
            raise


def _beginning(reply: HttpReply, patience: Patience) -> bytes:
    """As much of an error's body as comes soon."""
    patience.until = min(patience.until, time.monotonic() + ERROR_WAIT)
    parts: list[bytes] = []
    size = 0
    try:
        for block in reply.blocks():
            parts.append(block)
            size += len(block)
            if size > MAX_ERROR:
                break
    except ProviderFault as fault:
        if fault.kind == "cancelled":
            raise
    return b"".join(parts)
