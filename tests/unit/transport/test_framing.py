"""4.6, 4.7, 4.14: heads without end, redirects, and replies whose length is told in two ways or wrongly."""

from __future__ import annotations

import pytest

from app.transport.pooled import PooledTransport
from tests.unit.transport.fixtures import AT_ONCE, Start, ask, patience
from tests.unit.transport.hostile import CHUNKED, LAST, Peer, answer, chunk, says, says_and_closes, says_and_resets

OK = answer(b"ok")
HEAD = b"HTTP/1.1 200 OK\r\n"

INTERIM = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nContent-Encoding: gzip\r\n\r\n",
    "100 and 103": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
    "102 with a length": b"HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n",
}


@pytest.mark.parametrize("together", [True, False], ids=["one packet", "apart"])
@pytest.mark.parametrize("interim", INTERIM.values(), ids=INTERIM.keys())
def test_fault_4_06_interim_replies_are_passed_over(
    transport: PooledTransport, start: Start, interim: bytes, together: bool
) -> None:
    upstream = start(says(interim + OK) if together else says(interim, OK, pause=0.01))
    for _ in range(2):
        outcome = ask(transport, upstream.url)
        assert (outcome.status, outcome.body) == (200, b"ok")
        assert "content-encoding" not in outcome.headers, "a header of an interim reply is none of the reply"
    assert [len(peer.requests) for peer in upstream.peers] == [2]


def test_fault_4_06_interim_replies_for_ever_are_cut_at_64_kb(transport: PooledTransport, start: Start) -> None:
    def for_ever(peer: Peer) -> None:
        peer.request()
        while True:
            peer.say(INTERIM["100"] * 100)

    upstream = start(for_ever)
    assert ask(transport, upstream.url).kind == "bad_reply"
    assert upstream.saw_the_end()


def test_fault_4_06_slow_interim_replies_for_ever_are_cut_at_the_first_token_limit(
    transport: PooledTransport, start: Start
) -> None:
    def for_ever(peer: Peer) -> None:
        peer.request()
        while True:
            peer.say(INTERIM["100"], pause=0.02)

    upstream = start(for_ever)
    outcome = ask(transport, upstream.url, waits=patience(first=0.3))
    assert outcome.kind == "first_token_timeout"
    assert 0.25 < outcome.seconds < 0.3 + AT_ONCE
    assert upstream.saw_the_end()


def test_fault_4_06_a_header_line_now_and_then_is_cut_at_the_first_token_limit(
    transport: PooledTransport, start: Start
) -> None:
    """A limit on each read would never fall due."""

    def trickle(peer: Peer) -> None:
        peer.request()
        peer.say(HEAD)
        while True:
            peer.say(b"X: y\r\n", pause=0.05)

    upstream = start(trickle)
    outcome = ask(transport, upstream.url, waits=patience(first=0.4))
    assert (outcome.kind, outcome.fault and outcome.fault.sent) == ("first_token_timeout", True)
    assert 0.35 < outcome.seconds < 0.4 + AT_ONCE
    assert upstream.saw_the_end()


@pytest.mark.parametrize(
    "head", [HEAD + b"X: y\r\n" * 350_000, HEAD + b"X: " + b"y" * 2_000_000], ids=["lines", "line"]
)
def test_fault_4_06_two_megabytes_of_headers_are_cut_at_64_kb(
    transport: PooledTransport, start: Start, head: bytes
) -> None:
    upstream = start(says(head))
    outcome = ask(transport, upstream.url)
    assert outcome.kind == "bad_reply"
    assert outcome.seconds < 1.0
    assert upstream.saw_the_end()


def test_headers_of_sixty_kilobytes_are_taken(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(answer(b"ok", b"X: " + b"y" * 60_000)))
    assert ask(transport, upstream.url).body == b"ok"


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"303 See", b"307 Temporary", b"308 Permanent"])
@pytest.mark.parametrize("scheme", ["http://127.0.0.1", "http://169.254.169.254", "https://127.0.0.1"])
def test_fault_4_07_a_redirect_is_handed_on_and_never_followed(
    transport: PooledTransport, start: Start, status: bytes, scheme: str
) -> None:
    elsewhere = start(says(OK))
    location = f"Location: {scheme}:{elsewhere.port}/steal".encode()
    upstream = start(says(answer(b"moved", location, status=status)))
    outcome = ask(transport, upstream.url)
    assert (outcome.status, outcome.body) == (int(status[:3]), b"moved")
    assert elsewhere.peers == []


UNREADABLE = {
    "length and chunked": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"ok") + LAST,
    "chunked and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n" + chunk(b"ok") + LAST,
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
    "the same length twice": HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "a list of lengths": HEAD + b"Content-Length: 2, 3\r\n\r\nok!",
    "a negative length": HEAD + b"Content-Length: -2\r\n\r\nok",
    "a signed length": HEAD + b"Content-Length: +2\r\n\r\nok",
    "a length past 64 bits": HEAD + b"Content-Length: 99999999999999999999\r\n\r\nok",
    "line feeds alone": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "one line feed alone": HEAD + b"A: b\nContent-Length: 2\r\n\r\nok",
    "a carriage return alone": HEAD + b"A: b\rContent-Length: 2\r\n\r\nok",
    "a folded header": HEAD + b"A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    "a space before the colon": HEAD + b"Content-Length : 2\r\n\r\nok",
    "a NUL in a header": HEAD + b"A: b\0c\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/0.9": b"<html>ok</html>",
    "HTTP/2 in words": b"HTTP/2 200\r\nContent-Length: 2\r\n\r\nok",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "an HTTP/2 frame": b"\0\0\x12\4\0\0\0\0\0\0\3\0\0\0\x80\0\4\0\1\0\0\0\5\0\xff\xff\xff",
    "a TLS alert": b"\x15\3\3\0\2\2\x28",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\nok",
    "101 alone": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "status 99": b"HTTP/1.1 099 No\r\nContent-Length: 2\r\n\r\nok",
    "status 600": b"HTTP/1.1 600 No\r\nContent-Length: 2\r\n\r\nok",
    "status 1000": b"HTTP/1.1 1000 No\r\nContent-Length: 2\r\n\r\nok",
    "a request": b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nok",
    "an unknown coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + chunk(b"ok") + LAST,
    "compressed, then chunked": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + chunk(b"ok") + LAST,
    "chunked, then compressed": HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\n" + chunk(b"ok") + LAST,
    "a chunk size with a sign": CHUNKED + b"-2\r\nok\r\n" + LAST,
    "a chunk size past 64 bits": CHUNKED + b"fffffffffffffffff\r\nok\r\n" + LAST,
    "a chunk longer than its size": CHUNKED + b"2\r\nokay\r\n" + LAST,
    "chunks with line feeds": CHUNKED + b"2\nok\n0\n\n",
    "an unknown encoding": answer(b"ok", b"Content-Encoding: zstd"),
    "two encodings": answer(b"ok", b"Content-Encoding: gzip, br"),
}


@pytest.mark.parametrize("slowly", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("reply", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_fault_4_14_a_reply_that_could_be_read_in_two_ways_is_none(
    transport: PooledTransport, start: Start, reply: bytes, slowly: bool
) -> None:
    upstream = start(says(*[reply[n : n + 1] for n in range(len(reply))] if slowly else [reply]))
    outcome = ask(transport, upstream.url)
    assert (outcome.kind, outcome.fault and outcome.fault.sent) == ("bad_reply", True)
    assert outcome.seconds < 1.0
    assert upstream.saw_the_end()
    assert len(upstream.requests) == 1


SHORT = {
    "chunks end early": CHUNKED + chunk(b"half"),
    "in a chunk": CHUNKED + b"8\r\nhalf",
    "in the size of a chunk": CHUNKED + chunk(b"half") + b"1",
    "before the last line end": CHUNKED + chunk(b"half") + b"0\r\n",
    "body shorter than its length": HEAD + b"Content-Length: 8\r\n\r\nhalf",
    "no body": HEAD + b"Content-Length: 8\r\n\r\n",
}


@pytest.mark.parametrize("reply", SHORT.values(), ids=SHORT.keys())
@pytest.mark.parametrize("end", [says_and_closes, says_and_resets])
def test_fault_4_14_a_body_that_ends_early_is_cut(transport: PooledTransport, start: Start, reply: bytes, end) -> None:  # type: ignore[no-untyped-def]
    upstream = start(end(reply))
    outcome = ask(transport, upstream.url)
    assert outcome.kind == "cut"
    assert outcome.fault is not None
    assert (outcome.fault.status, outcome.fault.sent) == (200, True)
    assert outcome.body in (b"", b"half")
    assert len(upstream.requests) == 1


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
@pytest.mark.parametrize(
    "framing", [b"Content-Length: 2\r\n\r\nok", b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"]
)
def test_fault_4_14_a_body_where_there_can_be_none_is_dropped_with_its_connection(
    transport: PooledTransport, start: Start, status: bytes, framing: bytes
) -> None:
    upstream = start(says(b"HTTP/1.1 " + status + b"\r\n" + framing))
    outcome = ask(transport, upstream.url)
    assert (outcome.status, outcome.body) == (int(status[:3]), b"")
    assert upstream.saw_the_end()


WHOLE = {
    "measured": OK,
    "chunks": CHUNKED + chunk(b"o") + chunk(b"k") + LAST,
    "chunks with extensions": CHUNKED + b"2;a=b\r\nok\r\n0;c\r\n\r\n",
    "chunks with trailers": CHUNKED + chunk(b"ok") + b"0\r\nContent-Encoding: gzip\r\nX: y\r\n\r\n",
    "chunked in capitals": HEAD + b"TRANSFER-ENCODING: Chunked\r\n\r\n" + chunk(b"ok") + LAST,
    "HTTP/1.0 kept": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
    "Latin-1 in reason and header": b"HTTP/1.1 200 \xfc\r\nA: \xff\r\nContent-Length: 2\r\n\r\nok",
    "empty headers": HEAD + b"A:\r\nB: \r\nContent-Length: 2\r\n\r\nok",
    "an upgrade offered": HEAD + b"Upgrade: h2\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nok",
    "blank line before": b"\r\n" + OK,
}


@pytest.mark.parametrize("slowly", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("reply", WHOLE.values(), ids=WHOLE.keys())
def test_a_sound_reply_is_read_and_its_connection_used_again(
    transport: PooledTransport, start: Start, reply: bytes, slowly: bool
) -> None:
    upstream = start(says(*[reply[n : n + 1] for n in range(len(reply))] if slowly else [reply]))
    for _ in range(2):
        assert ask(transport, upstream.url).body == b"ok"
    assert [len(peer.requests) for peer in upstream.peers] == [2]


@pytest.mark.parametrize(
    "reply",
    [HEAD + b"\r\nok", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", answer(b"ok", b"Connection: close")],
    ids=["ended by close", "HTTP/1.0", "close asked for"],
)
def test_a_connection_that_ends_with_its_answer_is_not_kept(
    transport: PooledTransport, start: Start, reply: bytes
) -> None:
    upstream = start(says_and_closes(reply))
    for _ in range(2):
        assert ask(transport, upstream.url).body == b"ok"
    assert [len(peer.requests) for peer in upstream.peers] == [1, 1]


@pytest.mark.parametrize(
    "reply",
    [b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", answer(b"ok", b"Connection: close")],
    ids=["HTTP/1.0", "close asked for"],
)
def test_a_connection_that_was_to_end_is_closed_though_the_provider_leaves_it_open(
    transport: PooledTransport, start: Start, reply: bytes
) -> None:
    upstream = start(says(reply))
    assert ask(transport, upstream.url).body == b"ok"
    assert upstream.saw_the_end()
