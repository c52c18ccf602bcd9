"""A reply cut at any byte and split in any reads is the same body or a fault, never a body that is silently shorter."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, cast

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import ProviderFault
from app.transport.pool import HostPool
from app.transport.pooled import PooledTransport
from app.transport.reply import PooledReply
from app.utils.cancel import Cancel
from tests.unit.transport.fixtures import Start, ask, patience
from tests.unit.transport.hostile import CHUNKED, LAST, Peer, answer, chunk

FAULTS = {"cut", "reset", "bad_reply"}


class Reads:
    """A connection that gives these reads and then its end; and the pool it goes back to."""

    def __init__(self, reads: Iterable[bytes]) -> None:
        self.aborted = False
        self.kept = False
        self._reads = [read for read in reads if read]

    def send(self, data: bytes, until: float) -> None:
        pass

    def receive(self, until: float) -> bytes:
        return self._reads.pop(0) if self._reads else b""

    def abort(self) -> None:
        self.aborted = True

    def keep(self, connection: Any) -> None:
        self.kept = not self._reads

    def discard(self, connection: Any) -> None:
        pass


def heard(reads: Iterable[bytes]) -> tuple[bytes, bool]:
    """The body, and whether the connection was kept. Raises ProviderFault."""
    wire: Any = Reads(reads)
    reply = PooledReply(cast(HostPool, wire), wire, patience(), Cancel())
    try:
        reply.exchange(b"")
        return b"".join(reply.blocks()), wire.kept
    finally:
        reply.close()


def ending(reads: Iterable[bytes]) -> str | None:
    """The kind of the fault; None where there was none."""
    try:
        heard(reads)
    except ProviderFault as fault:
        return fault.kind
    return None


def split(raw: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    return [raw[a:b] for a, b in pairwise(edges)]


ENCODED = st.sampled_from(
    [(None, bytes), (b"gzip", gzip.compress), (b"deflate", zlib.compress)],
)


@st.composite
def replies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """(raw, body) of a sound reply that tells its own end."""
    body = draw(st.binary(max_size=120) | st.sampled_from([b"\n", b"\r\n\r\n", b"{}\n"]))
    name, encode = draw(ENCODED)
    said = encode(body)
    headers = [b"X: " + draw(st.sampled_from([b"", b"y", b"\xff" * 30]))]
    headers += [b"Content-Encoding: " + name] if name else []
    interim = draw(st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Hints\r\nA: b\r\n\r\n"]))
    if draw(st.booleans()):
        return interim + answer(said, *headers), body
    head = CHUNKED[:-2] + b"".join(line + b"\r\n" for line in headers) + b"\r\n"
    pieces = split(said, draw(st.lists(st.integers(1, 120), max_size=6)))
    last = draw(st.sampled_from([LAST, b"0;ext\r\n\r\n", b"000\r\n\r\n", b"0\r\nTrailer: x\r\n\r\n"]))
    return interim + head + b"".join(chunk(piece) for piece in pieces) + last, body


CUTS = st.lists(st.integers(1, 500), max_size=12)


@given(replies(), CUTS)
def test_any_split_gives_the_same_body_and_a_clean_connection(reply: tuple[bytes, bytes], cuts: list[int]) -> None:
    raw, body = reply
    assert heard(split(raw, cuts)) == (body, True)


@given(replies(), CUTS, st.data())
def test_any_cut_is_a_fault(reply: tuple[bytes, bytes], cuts: list[int], data: st.DataObject) -> None:
    raw, _ = reply
    end = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(ProviderFault) as raised:
        heard(split(raw[:end], cuts))
    assert raised.value.kind in FAULTS


REST = st.binary(min_size=1, max_size=40) | st.sampled_from(
    [b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"HTTP/1.1 200 OK\r\n"]
)


@given(replies(), REST)
def test_anything_after_the_end_spoils_the_connection_and_not_the_body(reply: tuple[bytes, bytes], rest: bytes) -> None:
    raw, body = reply
    assert heard([raw + rest]) == (body, False)


@given(replies(), CUTS, st.data())
def test_any_damage_is_a_reply_or_a_fault_and_nothing_else(
    reply: tuple[bytes, bytes], cuts: list[int], data: st.DataObject
) -> None:
    raw = bytearray(reply[0])
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert ending(split(bytes(raw), cuts)) in {None, *FAULTS}


@given(st.binary(max_size=300), CUTS)
def test_any_bytes_at_all_are_a_reply_or_a_fault(raw: bytes, cuts: list[int]) -> None:
    assert ending(split(b"HTTP/1.1 2" + raw, cuts)) in {None, *FAULTS}


@pytest.mark.parametrize("end", [Peer.close, Peer.reset, Peer.half_close])
@pytest.mark.parametrize(
    "raw",
    [answer(b'{"said":"ok"}'), CHUNKED + chunk(b"data: a\n\n") + chunk(b"data: b\r\n\r\n") + LAST],
    ids=["measured", "chunked"],
)
def test_fault_4_23_a_connection_that_ends_at_any_byte_gives_no_shorter_body(
    transport: PooledTransport, start: Start, raw: bytes, end: Any
) -> None:
    cuts = iter(range(len(raw)))

    def cut(peer: Peer) -> None:
        peer.request()
        peer.say(raw[: next(cuts)])
        if end is Peer.reset:
            gevent.sleep(0.001)
        end(peer)

    upstream = start(cut)
    for _ in range(len(raw)):
        outcome = ask(transport, upstream.url)
        assert outcome.kind in ("cut", "reset")
        assert outcome.seconds < 1.0
    assert upstream.saw_the_end()
    assert len(upstream.requests) == len(raw)
