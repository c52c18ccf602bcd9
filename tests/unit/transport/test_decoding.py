"""4.13: encodings that nobody asked for, cut ones, and bombs."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable
from itertools import pairwise

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import ProviderFault
from app.transport.decoding import MAX_DECODED_BYTES, Decoder, decoder
from app.transport.http import HttpRequest
from app.transport.pooled import PooledTransport
from app.utils.cancel import Cancel
from tests.unit.transport.fixtures import Start, ask, patience
from tests.unit.transport.hostile import CHUNKED, LAST, Peer, answer, chunk, says

Encode = Callable[[bytes], bytes]


def bare_deflate(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return squeeze.compress(data) + squeeze.flush()


def two_members(data: bytes) -> bytes:
    half = len(data) // 2
    return gzip.compress(data[:half]) + gzip.compress(data[half:])


ENCODINGS: dict[str, tuple[bytes, Encode]] = {
    "gzip": (b"gzip", gzip.compress),
    "x-gzip": (b"X-GZip", gzip.compress),
    "two gzip members": (b"gzip", two_members),
    "deflate": (b"deflate", zlib.compress),
    "bare deflate": (b"deflate", bare_deflate),
    "br": (b"br", brotli.compress),
    "identity": (b"identity", bytes),
}
SAID = b'{"said":"' + bytes(range(35, 91)) * 50 + b'"}'
packed = pytest.mark.parametrize(("name", "encode"), ENCODINGS.values(), ids=ENCODINGS.keys())


@packed
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_fault_4_13_an_encoding_unasked_is_undone(
    transport: PooledTransport, start: Start, name: bytes, encode: Encode, size: int
) -> None:
    raw = encode(SAID)
    pieces = [chunk(raw[n : n + size]) for n in range(0, len(raw), size)]
    head = CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: " + name + b"\r\n\r\n")
    upstream = start(says(head, *pieces, LAST))
    for _ in range(2):
        outcome = ask(transport, upstream.url)
        assert outcome.body == SAID
        assert outcome.ticks == 0, "an empty block would say that the provider is silent"
    assert [len(peer.requests) for peer in upstream.peers] == [2]


@packed
def test_fault_4_13_an_encoding_that_is_cut_is_no_shorter_answer(
    transport: PooledTransport, start: Start, name: bytes, encode: Encode
) -> None:
    """The framing is whole, so that the encoding alone can tell."""
    if encode is bytes:
        return
    upstream = start(says(answer(encode(SAID)[:-5], b"Content-Encoding: " + name)))
    assert ask(transport, upstream.url).kind == "cut"
    assert upstream.saw_the_end()


@packed
def test_fault_4_13_bytes_that_are_no_such_encoding_are_a_bad_reply(
    transport: PooledTransport, start: Start, name: bytes, encode: Encode
) -> None:
    if encode is bytes:
        return
    upstream = start(says(answer(b"\xff\xfenothing of the kind", b"Content-Encoding: " + name)))
    assert ask(transport, upstream.url).kind == "bad_reply"
    assert upstream.saw_the_end()


def bomb(wbits: int) -> tuple[bytes, bytes]:
    """A beginning, and a piece of 1 kB that makes a megabyte and can be said for ever."""
    squeeze = zlib.compressobj(wbits=wbits)
    begin = squeeze.compress(b"x") + squeeze.flush(zlib.Z_FULL_FLUSH)
    return begin, squeeze.compress(bytes(2**20)) + squeeze.flush(zlib.Z_FULL_FLUSH)


@pytest.mark.parametrize(
    ("name", "wbits"), [(b"gzip", zlib.MAX_WBITS | 16), (b"deflate", zlib.MAX_WBITS), (b"deflate", -zlib.MAX_WBITS)]
)
def test_fault_4_13_a_bomb_of_10_gb_is_put_down_at_32_mb(
    transport: PooledTransport, start: Start, name: bytes, wbits: int
) -> None:
    begin, piece = bomb(wbits)
    said = 0

    def for_long(peer: Peer) -> None:
        nonlocal said
        peer.request()
        peer.say(CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: " + name + b"\r\n\r\n"), chunk(begin))
        for _ in range(10_000):
            peer.say(chunk(piece))
            said += 1

    upstream = start(for_long)
    taken: list[int] = []
    outcome = ask(transport, upstream.url, hear=lambda block: taken.append(len(block)))
    assert outcome.kind == "bad_reply"
    assert sum(taken) <= MAX_DECODED_BYTES
    assert upstream.saw_the_end()
    assert said < 10_000


@pytest.mark.parametrize("name", ["gzip", "br"])
def test_fault_4_13_a_bomb_in_one_piece_takes_no_more_memory_than_its_bound(name: str) -> None:
    begin, piece = bomb(zlib.MAX_WBITS | 16)
    raw = begin + piece * 200 if name == "gzip" else brotli.compress(bytes(200 * 2**20), quality=1)
    decoding = decoder(name)
    assert decoding is not None
    tracemalloc.start()
    with pytest.raises(ProviderFault) as raised:
        decoding.decode(raw)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert raised.value.kind == "bad_reply"
    assert peak < 3 * MAX_DECODED_BYTES


def test_fault_4_13_a_brotli_bomb_is_put_down_at_32_mb(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(answer(brotli.compress(bytes(2 * MAX_DECODED_BYTES), quality=1), b"Content-Encoding: br")))
    outcome = ask(transport, upstream.url)
    assert outcome.kind == "bad_reply"
    assert len(outcome.body) <= MAX_DECODED_BYTES
    assert upstream.saw_the_end()


def test_fault_4_13_read_stops_at_its_limit_after_decoding(transport: PooledTransport, start: Start) -> None:
    squeezed = gzip.compress(bytes(200_000))
    upstream = start(says(answer(squeezed, b"Content-Encoding: gzip")[:-1]))
    reply = transport.send(HttpRequest("POST", upstream.url, {}), patience(), Cancel())
    with pytest.raises(ProviderFault) as raised:
        reply.read(100_000)
    assert (raised.value.kind, raised.value.status) == ("bad_reply", 200)
    assert upstream.saw_the_end()


def test_an_unknown_encoding_of_an_error_still_gives_its_status(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(answer(b"?", b"Content-Encoding: zstd", b"Retry-After: 3", status=b"429 Slow Down")))
    reply = transport.send(HttpRequest("POST", upstream.url, {}), patience(), Cancel())
    assert (reply.status, reply.headers["retry-after"]) == (429, "3")
    reply.close()


def test_an_empty_body_needs_no_encoding(transport: PooledTransport, start: Start) -> None:
    upstream = start(says(answer(b"", b"Content-Encoding: gzip")))
    assert [ask(transport, upstream.url).body for _ in range(2)] == [b"", b""]
    assert len(upstream.peers) == 1


@given(st.sampled_from(list(ENCODINGS.values())), st.binary(max_size=300), st.lists(st.integers(0, 320), max_size=8))
def test_an_encoding_undone_in_any_pieces_gives_the_same(
    encoding: tuple[bytes, Encode], said: bytes, cuts: list[int]
) -> None:
    name, encode = encoding
    assert undone(decoder(name.decode()), encode(said), cuts) == said


@given(st.sampled_from(list(ENCODINGS.values())), st.binary(max_size=300), st.integers(0, 320))
def test_an_encoding_cut_anywhere_is_whole_or_a_fault(encoding: tuple[bytes, Encode], said: bytes, end: int) -> None:
    name, encode = encoding
    raw = encode(said)
    if encode in (bytes, two_members) or not 0 < end < len(raw):
        return
    with pytest.raises(ProviderFault) as raised:
        undone(decoder(name.decode()), raw[:end], [])
    assert raised.value.kind in ("cut", "bad_reply")


def undone(decoding: Decoder | None, raw: bytes, cuts: list[int]) -> bytes:
    edges = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    pieces = [raw[a:b] for a, b in pairwise(edges)]
    if decoding is None:
        return b"".join(pieces)
    whole = b"".join(decoding.decode(piece) for piece in pieces)
    decoding.finish()
    return whole
