"""4.22: silence at every place, what the caller hears of it, and the end that no drip of bytes puts off."""

from __future__ import annotations

import socket
import time

import gevent
import pytest

from app.domain.errors import ProviderFault
from app.transport.connection import Connection
from app.transport.http import HttpRequest
from app.transport.pooled import PooledTransport
from app.utils.cancel import Cancel
from tests.unit.transport.certificates import Authority
from tests.unit.transport.fixtures import AT_ONCE, Start, ask, patience
from tests.unit.transport.hostile import CHUNKED, LAST, Peer, chunk, says

WAIT = 0.3
HALF_A_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-"

SILENT_AFTER = {
    "the request": (b"", None),
    "half the head": (HALF_A_HEAD, None),
    "the head": (CHUNKED, 200),
    "the size of a chunk": (CHUNKED + b"5\r\n", 200),
    "comments": (CHUNKED + chunk(b": comment\n\n"), 200),
}


@pytest.mark.parametrize(("said", "status"), SILENT_AFTER.values(), ids=SILENT_AFTER.keys())
def test_fault_4_22_silence_before_content_ends_at_the_first_token_limit(
    transport: PooledTransport, start: Start, said: bytes, status: int | None
) -> None:
    upstream = start(says(said))
    outcome = ask(transport, upstream.url, waits=patience(first=WAIT, stall=5.0))
    assert outcome.kind == "first_token_timeout"
    assert outcome.fault is not None
    assert (outcome.fault.sent, outcome.fault.status) == (True, status)
    assert WAIT - 0.02 < outcome.seconds < WAIT + AT_ONCE
    assert upstream.saw_the_end()
    assert len(upstream.requests) == 1


def test_fault_4_22_silence_after_content_ends_at_the_stall_limit(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(CHUNKED + chunk(b"token")))
    waits = patience(first=5.0, stall=WAIT)
    outcome = ask(transport, upstream.url, waits=waits, hear=lambda _: waits.content())
    assert (outcome.kind, outcome.body) == ("stalled", b"token")
    assert WAIT - 0.02 < outcome.seconds < WAIT + AT_ONCE
    assert upstream.saw_the_end()


def test_fault_4_22_content_puts_the_stall_limit_off(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(CHUNKED, *[chunk(b"t")] * 8, LAST, pause=WAIT / 3))
    waits = patience(first=WAIT * 2, stall=WAIT * 2)
    outcome = ask(transport, upstream.url, waits=waits, hear=lambda _: waits.content())
    assert (outcome.kind, outcome.body) == (None, b"t" * 8)
    assert outcome.seconds > WAIT * 2


def test_fault_4_22_comments_do_not_put_the_limit_off(transport: PooledTransport, start: Start) -> None:
    upstream = start(drip(b": still here\n\n", 0.05))
    outcome = ask(transport, upstream.url, waits=patience(first=WAIT, stall=5.0))
    assert outcome.kind == "first_token_timeout"
    assert outcome.seconds < WAIT + AT_ONCE


def test_fault_4_22_a_drip_of_content_ends_at_the_deadline(transport: PooledTransport, start: Start) -> None:
    upstream = start(drip(b"token", 0.05))
    waits = patience(first=WAIT, stall=WAIT, total=WAIT * 2)
    outcome = ask(transport, upstream.url, waits=waits, hear=lambda _: waits.content())
    assert outcome.kind == "stalled"
    assert WAIT * 2 - 0.02 < outcome.seconds < WAIT * 2 + AT_ONCE
    assert upstream.saw_the_end()


def test_fault_4_22_patience_cut_short_between_two_reads_is_kept(transport: PooledTransport, start: Start) -> None:
    """Who reads the wire knows that all is said, and waits only a moment more."""
    upstream = start(says(CHUNKED + chunk(b"all")))
    waits = patience(first=5.0, stall=5.0)

    def hurry(_: bytes) -> None:
        waits.content()
        waits.until = time.monotonic() + 0.1

    outcome = ask(transport, upstream.url, waits=waits, hear=hurry)
    assert outcome.kind == "stalled"
    assert outcome.seconds < 0.1 + AT_ONCE


def test_silence_is_told_once_a_tick(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(CHUNKED + chunk(b"a"), chunk(b"b"), LAST, pause=0.5))
    outcome = ask(transport, upstream.url, waits=patience(tick=0.1))
    assert outcome.body == b"ab"
    assert 5 <= outcome.ticks <= 10


def test_a_read_that_waits_again_after_a_tick_waits_its_whole_patience(
    transport: PooledTransport, start: Start
) -> None:
    """The timer of one connection lives on from wait to wait: ticks, a second call and a longer limit in turn."""
    upstream = start(says(CHUNKED + chunk(b"a"), chunk(b"b") + LAST, pause=0.25))
    for _ in range(2):
        assert ask(transport, upstream.url, waits=patience(first=0.6, tick=0.1)).body == b"ab"
        assert ask(transport, upstream.url, waits=patience(first=0.6)).body == b"ab"
    assert len(upstream.peers) == 1


def test_a_timer_that_rings_while_nobody_waits_ends_nothing(transport: PooledTransport, start: Start) -> None:
    """The caller's own client is slow: the provider is not to blame."""
    upstream = start(says(CHUNKED + chunk(b"a"), chunk(b"b") + LAST, pause=0.3))
    waits = patience(first=WAIT, stall=1.0, tick=0.1)

    def slow_client(block: bytes) -> None:
        waits.content()
        if block == b"a":
            gevent.sleep(0.5)

    outcome = ask(transport, upstream.url, waits=waits, hear=slow_client)
    assert (outcome.kind, outcome.body) == (None, b"ab")


def test_a_body_that_is_not_taken_ends_at_the_first_token_limit(transport: PooledTransport, start: Start) -> None:
    upstream = start(lambda peer: gevent.sleep(2.0))
    outcome = ask(transport, upstream.url, b"x" * 20_000_000, waits=patience(first=WAIT))
    assert (outcome.kind, outcome.fault and outcome.fault.sent) == ("first_token_timeout", True)
    assert outcome.seconds < WAIT + AT_ONCE


def test_under_tls_silence_is_told_and_ends_as_well(
    transport: PooledTransport, start: Start, authority: Authority
) -> None:
    upstream = start(says(CHUNKED + chunk(b"a")), tls=authority.good("provider.test"))
    outcome = ask(transport, upstream.named("provider.test", "https"), waits=patience(first=WAIT, tick=0.1))
    assert (outcome.kind, outcome.body) == ("first_token_timeout", b"a")
    assert outcome.ticks in (2, 3)
    assert upstream.saw_the_end()


def test_under_tls_what_came_together_is_read_together(
    transport: PooledTransport, start: Start, authority: Authority
) -> None:
    """Many records in one packet, and silence after it: no event of the socket tells of the later ones."""

    def burst(peer: Peer) -> None:
        peer.request()
        for said in (CHUNKED, *[chunk(b"t")] * 30):
            peer.sock.sendall(said)

    upstream = start(burst, tls=authority.good("provider.test"))
    waits = patience(first=0.5, tick=0.1)
    outcome = ask(transport, upstream.named("provider.test", "https"), waits=waits)
    assert outcome.body == b"t" * 30
    assert outcome.ticks >= 3, "all of it came at the beginning"


def test_reading_on_after_the_close_is_a_fault_and_no_hang(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(CHUNKED + chunk(b"a")))
    reply = transport.send(HttpRequest("POST", upstream.url, {}), patience(), Cancel())
    blocks = reply.blocks()
    assert next(blocks) == b"a"
    reply.close()
    with pytest.raises(ProviderFault):
        next(blocks)


def drip(said: bytes, pause: float):  # type: ignore[no-untyped-def]
    def script(peer: Peer) -> None:
        peer.request()
        peer.say(CHUNKED)
        while True:
            peer.say(chunk(said), pause=pause)

    return script


def test_a_loop_that_was_late_is_our_silence_and_not_the_providers() -> None:
    """What the provider had sent by then is read, though the limit is over when we come to look; but once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = Connection(socket.AF_INET)
        now = time.monotonic()
        connection.connect(listener.getsockname(), now + 1)
        peer, _ = listener.accept()
        with peer:
            # Blocks the whole loop past the limit, as work in C would; the answer comes meanwhile.
            gevent.spawn(lambda: (peer.sendall(b"in time"), time.sleep(0.2)))
            until = time.monotonic() + 0.1
            assert connection.receive(until) == b"in time"
            assert time.monotonic() > until
            peer.sendall(b"too late")
            assert connection.receive(until) in (None, b"too late")
            assert connection.receive(until) is None
        connection.close()
