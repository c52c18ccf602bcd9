"""A cancel from another greenlet ends a call at once, whatever the call is waiting for."""

from __future__ import annotations

import socket
import time
from typing import Any

import gevent
import pytest

from app.domain.errors import ProviderFault
from app.transport.http import HttpRequest
from app.transport.pooled import PooledTransport
from app.transport.resolver import Resolver
from app.transport.stoppable import stoppable
from app.utils.cancel import Cancel
from tests.unit.transport.certificates import Authority
from tests.unit.transport.fixtures import AT_ONCE, Outcome, Start, ask, patience, wait_for
from tests.unit.transport.hostile import CHUNKED, LAST, Peer, Script, answer, chunk, says, silent
from tests.unit.transport.test_clean_connections import transport_still_has_its_places
from tests.unit.transport.test_connecting import Hold, dead_address

__all__ = ["dead_address"]
OK = answer(b"ok")


def cancelled(transport: PooledTransport, url: str, body: bytes = b"{}", after: float = 0.1) -> Outcome:
    """Ask, and cancel it from another greenlet after so many seconds."""
    cancel = Cancel()
    gevent.spawn_later(after, cancel.cancel, "client gone")
    outcome = ask(transport, url, body, cancel=cancel, waits=patience(first=5.0, stall=5.0))
    assert outcome.kind == "cancelled"
    assert outcome.fault is not None
    assert outcome.fault.message == "client gone"
    assert outcome.seconds < after + AT_ONCE
    return outcome


@pytest.mark.parametrize(
    "script",
    [
        says(b""),
        says(b"HTTP/1.1 200 O"),
        says(b"HTTP/1.1 100 Continue\r\n\r\n"),
        says(CHUNKED),
        says(CHUNKED + chunk(b"half")),
        says(CHUNKED, *[chunk(b"token")] * 200, pause=0.01),
        says(CHUNKED + chunk(b"all") + b"0\r\n"),
    ],
    ids=["request", "half a head", "interim", "head", "body", "in a flow of chunks", "last byte"],
)
def test_fault_4_04_a_cancel_while_waiting_closes_the_connection_at_once(
    transport: PooledTransport, start: Start, script: Script
) -> None:
    upstream = start(script)
    outcome = cancelled(transport, upstream.url)
    assert outcome.fault is not None
    assert outcome.fault.sent is True
    assert upstream.saw_the_end(within=0.5)
    assert transport_still_has_its_places(transport, start)


def test_fault_4_04_a_cancel_of_a_reused_connection_is_no_stale_one(transport: PooledTransport, start: Start) -> None:
    """It ends before any byte of a reply too, and is not asked again."""

    def once(peer: Peer) -> None:
        peer.request()
        peer.say(OK)
        peer.request()

    upstream = start(once)
    assert ask(transport, upstream.url).body == b"ok"
    cancelled(transport, upstream.url)
    assert [len(peer.requests) for peer in upstream.peers] == [2]
    assert upstream.saw_the_end(within=0.5)


def test_fault_4_04_a_cancel_while_sending_closes_the_connection(transport: PooledTransport, start: Start) -> None:
    upstream = start(lambda peer: gevent.sleep(0.4))
    outcome = cancelled(transport, upstream.url, b"x" * 20_000_000)
    assert outcome.fault is not None
    assert outcome.fault.sent is True
    assert upstream.saw_the_end()


def test_fault_4_04_a_cancel_while_looking_up_ends_the_call(start: Start) -> None:
    hold = Hold()
    transport = PooledTransport(connect_timeout=5.0, pool_size=2, resolver=Resolver(getaddrinfo=hold.look_up))
    outcome = cancelled(transport, "http://provider.test/v1")
    assert outcome.fault is not None
    assert outcome.fault.sent is False
    hold.release()
    assert transport_still_has_its_places(transport, start)


@pytest.mark.parametrize("addresses", [1, 5])
def test_fault_4_04_a_cancel_while_connecting_ends_the_call(dead_address: tuple[str, int], addresses: int) -> None:
    found: list[Any] = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", dead_address)] * addresses
    transport = PooledTransport(connect_timeout=5.0, pool_size=1, resolver=Resolver(getaddrinfo=lambda *_: found))
    for _ in range(2):
        outcome = cancelled(transport, "http://provider.test/v1")
        assert outcome.fault is not None
        assert outcome.fault.sent is False


def test_fault_4_04_a_cancel_in_the_handshake_closes_the_connection(start: Start, authority: Authority) -> None:
    transport = PooledTransport(connect_timeout=5.0, pool_size=2)
    upstream = start(silent)
    outcome = cancelled(transport, upstream.url.replace("http:", "https:"))
    assert outcome.fault is not None
    assert outcome.fault.sent is False
    assert upstream.saw_the_end(within=0.5)


def test_fault_4_04_a_cancel_under_tls_closes_the_connection(
    transport: PooledTransport, start: Start, authority: Authority
) -> None:
    upstream = start(says(CHUNKED + chunk(b"half")), tls=authority.good("provider.test"))
    cancelled(transport, upstream.named("provider.test", "https"))
    assert upstream.saw_the_end(within=0.5)


def test_fault_4_04_a_cancel_while_waiting_for_a_place_ends_the_call(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(CHUNKED))
    request = HttpRequest("POST", upstream.url, {})
    held = [transport.send(request, patience(), Cancel()) for _ in range(2)]
    outcome = cancelled(transport, upstream.url)
    assert outcome.fault is not None
    assert outcome.fault.sent is False
    for reply in held:
        reply.close()
    assert transport_still_has_its_places(transport, start)


def test_a_cancel_before_the_call_sends_nothing(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(OK))
    assert ask(transport, upstream.url).body == b"ok"
    cancel = Cancel()
    cancel.cancel("shutdown")
    for _ in range(3):
        outcome = ask(transport, upstream.url, cancel=cancel)
        assert (outcome.kind, outcome.fault and outcome.fault.sent) == ("cancelled", False)
    assert len(upstream.requests) == 1


def test_fault_4_04_a_cancel_while_the_caller_is_elsewhere_closes_the_connection_at_once(
    transport: PooledTransport, start: Start
) -> None:
    """It is writing to its own client, who is slow; the provider is not made to go on meanwhile."""
    upstream = start(says(CHUNKED, *[chunk(b"token")] * 200, pause=0.01))
    cancel = Cancel()
    blocks = transport.send(HttpRequest("POST", upstream.url, {}), patience(), cancel).blocks()
    assert next(blocks)
    gevent.sleep(0.05)  # more has come by then, and is not for anybody
    cancel.cancel("client gone")
    assert upstream.saw_the_end(within=0.5)
    with pytest.raises(ProviderFault) as raised:
        next(blocks)
    assert raised.value.kind == "cancelled"
    assert transport_still_has_its_places(transport, start)


@pytest.mark.parametrize("reply", [OK, CHUNKED + chunk(b"ok") + LAST])
def test_fault_4_04_a_cancel_between_the_last_block_and_its_end_does_not_keep_the_connection(
    transport: PooledTransport, start: Start, reply: bytes
) -> None:
    upstream = start(says(reply))
    cancel = Cancel()
    blocks = transport.send(HttpRequest("POST", upstream.url, {}), patience(), cancel).blocks()
    assert next(blocks) == b"ok"
    cancel.cancel("client gone")
    assert list(blocks) == []
    assert upstream.saw_the_end()
    assert ask(transport, upstream.url).body == b"ok"
    assert len(upstream.peers) == 2


def test_a_cancel_after_the_call_touches_nothing(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(OK))
    cancel = Cancel()
    assert ask(transport, upstream.url, cancel=cancel).body == b"ok"
    cancel.cancel("client gone")
    assert ask(transport, upstream.url).body == b"ok"
    assert len(upstream.peers) == 1


def test_a_cancel_ends_all_that_share_it(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(CHUNKED))
    cancel = Cancel()
    pair = [gevent.spawn(ask, transport, upstream.url, cancel=cancel) for _ in range(2)]
    assert wait_for(lambda: len(upstream.requests) == 2)
    began = time.monotonic()
    cancel.cancel("shutdown")
    gevent.joinall(pair)
    assert [one.value.kind for one in pair] == ["cancelled", "cancelled"]
    assert time.monotonic() - began < AT_ONCE


def test_a_cancel_that_comes_as_the_wait_ends_does_not_strike_later() -> None:
    cancel = Cancel()
    with stoppable(cancel):
        cancel.cancel("client gone")
    gevent.sleep(0.01)


def test_a_wait_begun_after_the_cancel_ends_at_once() -> None:
    cancel = Cancel()
    cancel.cancel("client gone")
    with pytest.raises(ProviderFault) as raised, stoppable(cancel):
        gevent.sleep(5.0)
    assert (raised.value.kind, raised.value.sent) == ("cancelled", False)
