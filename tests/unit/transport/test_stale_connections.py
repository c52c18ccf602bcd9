"""4.3: a pooled connection that the provider closed while it was idle, or as we sent."""

from __future__ import annotations

from collections.abc import Callable

import gevent
import pytest

from app.transport.pooled import PooledTransport
from tests.unit.transport.certificates import Authority
from tests.unit.transport.fixtures import AT_ONCE, Start, ask, patience, wait_for
from tests.unit.transport.hostile import LAST, Peer, answer, says, says_and_closes, says_and_resets

OK = answer(b"ok")


def once_then(end: Callable[[Peer], None]) -> Callable[[Peer], None]:
    """Answers one request whole, then treats the connection like this."""

    def script(peer: Peer) -> None:
        peer.request()
        peer.say(OK)
        end(peer)

    return script


def close_at_the_next(peer: Peer) -> None:
    peer.request()
    peer.close()


def reset_at_the_next(peer: Peer) -> None:
    peer.request()
    peer.reset()


@pytest.mark.parametrize("end", [Peer.close, Peer.reset, Peer.half_close])
def test_fault_4_03_a_connection_closed_while_idle_is_not_used(
    transport: PooledTransport, start: Start, end: Callable[[Peer], None]
) -> None:
    upstream = start(once_then(end), says(OK))
    assert ask(transport, upstream.url).body == b"ok"
    gevent.sleep(0.02)
    outcome = ask(transport, upstream.url)
    assert outcome.body == b"ok"
    assert outcome.seconds < AT_ONCE
    assert [len(peer.requests) for peer in upstream.peers] == [1, 1]


def test_fault_4_03_a_connection_whose_end_has_not_been_noticed_is_replaced(
    transport: PooledTransport, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider's close may be on its way while we look: what tells then is only the write or the read."""
    monkeypatch.setattr("app.transport.connection.Connection.is_silent", lambda _: True)
    upstream = start(once_then(Peer.reset), says(OK))
    assert ask(transport, upstream.url).body == b"ok"
    gevent.sleep(0.02)
    assert ask(transport, upstream.url).body == b"ok"
    assert [len(peer.requests) for peer in upstream.peers] == [1, 1]


@pytest.mark.parametrize("end", [close_at_the_next, reset_at_the_next])
def test_fault_4_03_a_connection_closed_as_we_send_is_asked_once_more_at_once_on_a_new_one(
    transport: PooledTransport, start: Start, end: Callable[[Peer], None]
) -> None:
    upstream = start(once_then(end), says(OK))
    assert ask(transport, upstream.url).body == b"ok"
    outcome = ask(transport, upstream.url, b'{"n":2}')
    assert outcome.body == b"ok"
    assert outcome.seconds < AT_ONCE
    first, second = upstream.peers
    assert first.requests[1] == second.requests[0], "the same request, key and all"
    assert len(second.requests) == 1


def test_fault_4_03_once_more_means_once(transport: PooledTransport, start: Start) -> None:
    upstream = start(once_then(close_at_the_next))
    assert ask(transport, upstream.url).body == b"ok"
    with_new = start(once_then(close_at_the_next), close_at_the_next)
    assert ask(transport, with_new.url).body == b"ok"
    outcome = ask(transport, with_new.url)
    assert (outcome.kind, outcome.fault and outcome.fault.sent) == ("reset", True)
    assert [len(peer.requests) for peer in with_new.peers] == [2, 1]


def test_fault_4_03_no_other_pooled_connection_is_tried_instead(transport: PooledTransport, start: Start) -> None:
    """All that were idle in a provider's restart are stale together."""
    upstream = start(once_then(close_at_the_next), once_then(close_at_the_next), says(OK))
    pair = [gevent.spawn(ask, transport, upstream.url) for _ in range(2)]
    gevent.joinall(pair)
    assert ask(transport, upstream.url).body == b"ok"
    assert [len(peer.requests) for peer in upstream.peers].count(2) == 1
    assert len(upstream.peers) == 3


@pytest.mark.parametrize("end", [says_and_closes(), says_and_resets()])
def test_fault_4_03_a_fresh_connection_closed_after_the_request_is_not_asked_again(
    transport: PooledTransport, start: Start, end: Callable[[Peer], None]
) -> None:
    upstream = start(end)
    outcome = ask(transport, upstream.url)
    assert (outcome.kind, outcome.fault and outcome.fault.sent) == ("reset", True)
    assert len(upstream.requests) == 1


def test_fault_4_03_a_reply_that_had_begun_is_not_asked_for_again(transport: PooledTransport, start: Start) -> None:
    def begin(peer: Peer) -> None:
        peer.request()
        peer.say(b"HTTP/1.1 20")
        peer.close()

    upstream = start(once_then(begin), says(OK))
    assert ask(transport, upstream.url).body == b"ok"
    assert ask(transport, upstream.url).kind == "reset"
    assert len(upstream.peers) == 1


def test_fault_4_03_a_provider_that_is_gone_altogether_is_a_fault_of_the_connection(
    transport: PooledTransport, start: Start
) -> None:
    upstream = start(once_then(close_at_the_next))
    assert ask(transport, upstream.url).body == b"ok"
    upstream.stop_listening()
    outcome = ask(transport, upstream.url)
    assert (outcome.kind, outcome.fault and outcome.fault.sent) == ("connect", True)
    another = start(says(OK))
    assert [ask(transport, another.url).body for _ in range(3)] == [b"ok"] * 3


def test_fault_4_03_an_early_answer_to_a_body_that_is_too_large_is_read(
    transport: PooledTransport, start: Start
) -> None:
    """It says 413 and closes before it has read all of it; what it said is told rather than the broken pipe."""

    def refuse(peer: Peer) -> None:
        peer.sock.recv(1000)
        peer.say(answer(b"too large", b"Connection: close", status=b"413 Too Large"))
        peer.half_close()
        gevent.sleep(0.05)
        peer.reset()

    outcome = ask(transport, start(refuse).url, b"x" * 30_000_000)
    assert (outcome.status, outcome.body) == (413, b"too large")


def test_fault_4_03_under_tls_the_same(transport: PooledTransport, start: Start, authority: Authority) -> None:
    upstream = start(once_then(close_at_the_next), says(OK), tls=authority.good("provider.test"))
    url = upstream.named("provider.test", "https")
    assert ask(transport, url).body == b"ok"
    assert ask(transport, url).body == b"ok"
    assert [len(peer.requests) for peer in upstream.peers] == [2, 1]


def test_a_finished_stream_leaves_a_connection_that_is_used_again(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"2\r\nhi\r\n", LAST))
    for _ in range(4):
        assert ask(transport, upstream.url).body == b"hi"
    assert [len(peer.requests) for peer in upstream.peers] == [4]


def test_connections_that_lie_idle_are_closed(
    transport: PooledTransport, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.transport.pool.MAX_IDLE_SECONDS", 0.1)
    upstream = start(says(OK))
    pair = [gevent.spawn(ask, transport, upstream.url) for _ in range(2)]
    gevent.joinall(pair)
    assert upstream.saw_the_end(within=0.5)
    assert ask(transport, upstream.url).body == b"ok"
    assert wait_for(lambda: upstream.peers[-1].closed.is_set())


def test_a_closed_transport_keeps_no_connection(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(OK), says(OK, pause=0.1))
    assert ask(transport, upstream.url).body == b"ok"
    under_way = gevent.spawn(ask, transport, upstream.url, waits=patience())
    gevent.sleep(0)
    transport.close()
    under_way.join()
    assert under_way.value.body == b"ok"
    assert upstream.saw_the_end()
