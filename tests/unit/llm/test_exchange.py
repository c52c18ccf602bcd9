"""Whose silence it is: the provider's while we wait for it, ours while our reader is slow."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Any

import gevent
import pytest

from app.adapters import openai_chat
from app.domain.chat import Message, ProviderCall
from app.domain.errors import ProviderFault
from app.domain.events import Delta, Finish, Silence
from app.services.llm import exchange as exchanges
from app.services.llm.exchange import exchange
from app.transport.http import HttpRequest
from app.utils import patience as patiences
from app.utils.cancel import Cancel
from app.utils.patience import Patience

CALL = ProviderCall("m", "http://provider.test/v1", "sk-canary-12345678", (Message("user", "hi"),), stream=True)


def piece(text: str) -> bytes:
    return b'data: {"choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n' % text.encode()


END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


class Clock:
    """The monotonic clock of these tests."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = time.monotonic()
        for module in (exchanges, patiences):
            monkeypatch.setattr(module.time, "monotonic", lambda: self.now)


class Reply:
    """A provider's reply of these blocks. wait: seconds that each takes to come."""

    status, headers = 200, dict[str, str]()

    def __init__(self, clock: Clock, patience: Patience, blocks: Iterable[bytes], wait: float) -> None:
        self._clock, self._patience, self._blocks, self._wait = clock, patience, blocks, wait
        self.closed = False

    def read(self, limit: int) -> bytes:
        return b"".join(self._blocks)

    def blocks(self) -> Iterator[bytes]:
        for block in self._blocks:
            if self._clock.now + self._wait > self._patience.end:
                raise ProviderFault("stalled", "the provider went silent")
            self._clock.now += self._wait
            yield block

    def close(self) -> None:
        self.closed = True


class Sender:
    """A transport with one reply."""

    def __init__(self, reply: Any) -> None:
        self.reply = reply

    def send(self, request: HttpRequest, patience: Patience, cancel: Cancel) -> Any:
        return self.reply


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def said(clock: Clock, patience: Patience, wait: float) -> Iterator[Any]:
    reply = Reply(clock, patience, [piece("a"), piece("b"), piece("c"), END], wait)
    encoded = openai_chat.encode(CALL, openai_chat.Dialect())
    return exchange(Sender(reply), openai_chat, encoded, CALL, patience, Cancel())


def patient(clock: Clock, stall: float = 15.0) -> Patience:
    return Patience(deadline=clock.now + 900, first=12.0, stall=stall, tick=15.0)


def test_fault_3_04_a_slow_reader_is_not_the_providers_stall(clock: Clock) -> None:
    patience = patient(clock)
    text = ""
    for event in said(clock, patience, 1.0):
        if isinstance(event, Delta):
            text += event.text
            clock.now += 60  # our reader takes a minute for each piece
    assert text == "abc"
    assert patience.idle == pytest.approx(180, abs=1)


def test_fault_4_22_a_slow_provider_is(clock: Clock) -> None:
    with pytest.raises(ProviderFault, match="stalled"):
        list(said(clock, patient(clock, stall=5.0), 6.0))


def test_the_chats_own_deadline_holds_however_slow_the_reader_is(clock: Clock) -> None:
    patience = Patience(deadline=clock.now + 100, first=12.0, stall=15.0)
    events = said(clock, patience, 1.0)
    for _ in range(2):
        assert isinstance(next(events), Delta)
        clock.now += 60
    with pytest.raises(ProviderFault, match="stalled"):
        next(events)


def test_an_empty_body_is_a_failure_and_no_sign_of_life(clock: Clock) -> None:
    reply = Reply(clock, patient(clock), [], 0.0)
    encoded = openai_chat.encode(CALL, openai_chat.Dialect())
    heard: list[Any] = []
    with pytest.raises(ProviderFault, match="bad_reply"):
        heard.extend(exchange(Sender(reply), openai_chat, encoded, CALL, patient(clock), Cancel()))
    assert not any(isinstance(event, Silence | Finish) for event in heard)
    assert reply.closed


class Slow:
    """A transport whose head is long in coming."""

    def __init__(self, outcome: Any, seconds: float) -> None:
        self.outcome, self.seconds, self.left = outcome, seconds, False

    def send(self, request: HttpRequest, patience: Patience, cancel: Cancel) -> Any:
        try:
            gevent.sleep(self.seconds)
        except BaseException:
            self.left = True
            raise
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class Whole:
    status, headers = 200, dict[str, str]()
    closed = False

    def blocks(self) -> Iterator[bytes]:
        yield piece("a") + END

    def close(self) -> None:
        self.closed = True


def asked(transport: Any, tick: float = 0.02) -> Iterator[Any]:
    patience = Patience(deadline=time.monotonic() + 10, first=5.0, stall=5.0, tick=tick)
    encoded = openai_chat.encode(CALL, openai_chat.Dialect())
    return exchange(transport, openai_chat, encoded, CALL, patience, Cancel())


def test_silence_is_told_while_not_even_a_head_has_come() -> None:
    events = list(asked(Slow(Whole(), 0.1)))
    assert isinstance(events[0], Silence)
    assert [event.text for event in events if isinstance(event, Delta)] == ["a"]


def test_a_fault_before_the_head_is_raised_as_itself() -> None:
    with pytest.raises(ProviderFault, match="reset"):
        list(asked(Slow(ProviderFault("reset", "the provider closed the connection"), 0.05)))


def test_who_leaves_while_no_head_has_come_takes_the_call_along() -> None:
    transport = Slow(Whole(), 5.0)
    events = asked(transport)
    assert isinstance(next(events), Silence)
    began = time.monotonic()
    events.close()  # type: ignore[attr-defined]
    assert transport.left
    assert time.monotonic() - began < 0.5
