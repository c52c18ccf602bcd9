"""Content encodings that a provider used unasked, undone within a bound."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import brotli

from app.domain.errors import ProviderFault

MAX_DECODED_BYTES = 32 * 2**20

Decode = Callable[[bytes], bytes]


def decoder(encoding: str | None) -> Decode | None:
    """A function that takes the next raw bytes and gives decoded ones; None where nothing is encoded.

    It raises ProviderFault(bad_reply) on broken data, past MAX_DECODED_BYTES in all, and at an unknown encoding.
    """
    match (encoding or "identity").strip().lower():
        case "identity" | "":
            return None
        case "gzip" | "x-gzip":
            return _zlib(zlib.MAX_WBITS | 16)
        case "deflate":
            return _zlib(zlib.MAX_WBITS)
        case "br":
            return _brotli()
        case other:
            raise ProviderFault("bad_reply", f"the provider answered in an unknown content encoding {other[:32]!r}")


def _zlib(wbits: int) -> Decode:
    inflate = zlib.decompressobj(wbits)
    left = MAX_DECODED_BYTES

    def decode(data: bytes) -> bytes:
        nonlocal left
        try:
            out = inflate.decompress(data, left + 1)
        except zlib.error as fault:
            raise ProviderFault("bad_reply", "the provider's compressed reply is damaged") from fault
        left -= len(out)
        _check(left)
        return out

    return decode


def _brotli() -> Decode:
    inflate = brotli.Decompressor()
    left = MAX_DECODED_BYTES

    def decode(data: bytes) -> bytes:
        nonlocal left
        try:
            out = inflate.process(data, output_buffer_limit=left + 1)
        except brotli.error as fault:
            raise ProviderFault("bad_reply", "the provider's compressed reply is damaged") from fault
        left -= len(out)
        _check(left)
        return bytes(out)

    return decode


def _check(left: int) -> None:
    if left < 0:
        raise ProviderFault("bad_reply", f"the provider's reply is larger than {MAX_DECODED_BYTES} bytes unpacked")
