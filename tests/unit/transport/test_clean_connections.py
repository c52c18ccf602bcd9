"""4.4: no connection is used again on which anything but a whole answer went before."""

from __future__ import annotations

import random
from collections.abc import Callable

import gevent
import pytest
from gevent.pool import Pool

from app.transport.http import HttpRequest
from app.transport.pooled import PooledTransport
from app.utils.cancel import Cancel
from tests.unit.transport.certificates import Authority
from tests.unit.transport.fixtures import Start, ask, patience
from tests.unit.transport.hostile import CHUNKED, LAST, Peer, Upstream, answer, chunk, says

OTHER = answer(b"the next one's answer")

AFTER_THE_END = {
    "bytes": answer(b"mine") + b"rest",
    "one byte": answer(b"mine") + b"H",
    "a line end": answer(b"mine") + b"\r\n",
    "line feed": answer(b"mine\n") + b"\n",
    "two replies": answer(b"mine") + OTHER,
    "chunks, then bytes": CHUNKED + chunk(b"mine") + LAST + b"rest",
    "chunks, then a line end": CHUNKED + chunk(b"mine") + LAST + b"\r\n",
    "chunks, then a reply": CHUNKED + chunk(b"mine") + LAST + OTHER,
    "interim after the end": answer(b"mine") + b"HTTP/1.1 100 Continue\r\n\r\n",
    "close, then bytes": answer(b"mine", b"Connection: close") + b"rest",
    "close, then a reply": answer(b"mine", b"Connection: close") + OTHER,
}


@pytest.mark.parametrize("reply", AFTER_THE_END.values(), ids=AFTER_THE_END.keys())
def test_fault_4_04_bytes_after_the_answer_spoil_the_connection(
    transport: PooledTransport, start: Start, reply: bytes
) -> None:
    upstream = start(says(reply))
    for n in (1, 2):
        assert ask(transport, upstream.url).body.strip() == b"mine"
        assert upstream.saw_the_end()
        assert [len(peer.requests) for peer in upstream.peers] == [1] * n


@pytest.mark.parametrize("reply", [answer(b"mine"), CHUNKED + chunk(b"mine") + LAST])
def test_fault_4_04_bytes_that_come_while_idle_spoil_the_connection(
    transport: PooledTransport, start: Start, reply: bytes
) -> None:
    upstream = start(says(reply, OTHER, pause=0.02))
    for n in (1, 2):
        assert ask(transport, upstream.url).body == b"mine"
        gevent.sleep(0.05)
        assert len(upstream.peers) == n


def test_fault_4_04_under_tls_bytes_after_the_answer_spoil_the_connection(
    transport: PooledTransport, start: Start, authority: Authority
) -> None:
    """In one record, and in a record of their own that came in the same packet."""

    def two_records(peer: Peer) -> None:
        peer.request()
        peer.say(answer(b"mine"), OTHER)

    def one_record(peer: Peer) -> None:
        peer.request()
        peer.say(answer(b"mine") + OTHER)

    upstream = start(two_records, one_record, says(answer(b"mine")), tls=authority.good("provider.test"))
    for n in (1, 2, 3):
        assert ask(transport, upstream.named("provider.test", "https")).body == b"mine"
        gevent.sleep(0.02)
        assert [len(peer.requests) for peer in upstream.peers] == [1] * n


@pytest.mark.parametrize(
    "leave",
    [
        lambda reply: reply.close(),
        lambda reply: next(reply.blocks()),
        lambda reply: reply.blocks().close(),
        lambda reply: [blocks := reply.blocks(), next(blocks), blocks.close()],
    ],
    ids=["unread", "one block", "not begun", "closed midway"],
)
def test_fault_4_04_a_reply_that_is_left_midway_closes_its_connection(
    transport: PooledTransport, start: Start, leave: Callable[..., object]
) -> None:
    upstream = start(says(CHUNKED + chunk(b"mine")))
    reply = transport.send(HttpRequest("POST", upstream.url, {}), patience(), Cancel())
    leave(reply)
    reply.close()
    reply.close()
    assert upstream.saw_the_end()
    assert transport_still_has_its_places(transport, start)


def test_fault_4_04_a_block_generator_closed_midway_lets_go_by_itself(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(CHUNKED + chunk(b"mine")))
    blocks = transport.send(HttpRequest("POST", upstream.url, {}), patience(), Cancel()).blocks()
    assert next(blocks) == b"mine"
    blocks.close()
    assert upstream.saw_the_end()
    assert transport_still_has_its_places(transport, start)


@pytest.mark.parametrize("fault", [gevent.Timeout, gevent.GreenletExit, KeyboardInterrupt])
@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200 OK\r\n", CHUNKED + chunk(b"mine")])
def test_fault_4_04_a_greenlet_killed_in_a_call_closes_its_connection(
    transport: PooledTransport, start: Start, fault: type[BaseException], reply: bytes
) -> None:
    upstream = start(says(reply))

    def call() -> str:
        try:
            ask(transport, upstream.url)
        except fault:
            return "killed"
        return "answered"

    caller = gevent.spawn(call)
    gevent.sleep(0.03)
    caller.kill(fault)
    assert caller.value == "killed"
    assert upstream.saw_the_end()
    assert transport_still_has_its_places(transport, start)


def test_fault_4_04_a_deadline_in_the_body_closes_the_connection(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(CHUNKED + chunk(b"mine")))
    assert ask(transport, upstream.url, waits=patience(first=0.1)).kind == "first_token_timeout"
    assert upstream.saw_the_end()
    assert transport_still_has_its_places(transport, start)


def test_fault_4_04_of_2000_mixed_calls_each_gets_its_own_answer(start: Start) -> None:
    """20 % are cancelled at any moment; upstreams answer whole, in chunks, late, too much, or hang up."""
    transport = PooledTransport(connect_timeout=2.0, pool_size=50)
    upstream = start(moody)
    chance = random.Random(4)
    outcomes: list[tuple[int, object]] = []

    def call(n: int) -> None:
        cancel = Cancel()
        if chance.random() < 0.2:
            gevent.spawn_later(chance.random() * 0.005, cancel.cancel, "client gone")
        outcome = ask(transport, upstream.url, b"canary-%d." % n, cancel=cancel)
        if outcome.fault is None:
            assert outcome.body == b"canary-%d." % n * 3
        outcomes.append((n, outcome.kind))

    pool = Pool(50)
    for n in range(2000):
        pool.spawn(call, n)
    pool.join(raise_error=True)
    kinds = [kind for _, kind in outcomes]
    assert len(kinds) == 2000
    assert set(kinds) <= {None, "cancelled", "cut", "reset"}
    assert kinds.count(None) > 1200
    assert kinds.count("cancelled") > 100
    assert all(used_clean(peer) for peer in upstream.peers)
    transport.close()
    assert upstream.saw_the_end()


def moody(peer: Peer) -> None:
    """Says each canary three times over, in a manner that the canary's number decides. `spoilt` tells that it must
    not be asked again on this connection."""
    peer.spoilt_at = 0  # type: ignore[attr-defined]
    while True:
        canary = peer.request().split(b"\r\n\r\n")[1]
        manner = int(canary[7:-1]) % 12
        if manner == 0:
            peer.say(answer(canary * 3) + answer(b"somebody else's"))
        elif manner == 1:
            peer.say(answer(canary * 3) + b"\r\n")
        elif manner == 2:
            peer.say(CHUNKED + chunk(canary), pause=0.01)
            peer.close()
            return
        elif manner == 3:
            peer.say(answer(canary * 3, b"Connection: close"))
            peer.close()
            return
        elif manner < 7:
            peer.say(CHUNKED, chunk(canary), chunk(canary), chunk(canary), LAST, pause=0.002)
            continue
        else:
            peer.say(answer(canary * 3))
            continue
        peer.spoilt_at = len(peer.requests)  # type: ignore[attr-defined]


def used_clean(peer: Peer) -> bool:
    spoilt_at: int = getattr(peer, "spoilt_at", 0)
    return spoilt_at in (0, len(peer.requests))


def transport_still_has_its_places(transport: PooledTransport, start: Start) -> bool:
    """Both of them: two calls that meet at the upstream."""
    meeting: list[Peer] = []

    def together(peer: Peer) -> None:
        peer.request()
        meeting.append(peer)
        while len(meeting) < 2:
            gevent.sleep(0.005)
        peer.say(answer(b"ok"))

    upstream: Upstream = start(together)
    pair = [gevent.spawn(ask, transport, upstream.url) for _ in range(2)]
    gevent.joinall(pair)
    return all(one.value.body == b"ok" for one in pair)
