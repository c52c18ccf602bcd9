"""Content encodings that a provider used unasked, undone within a bound."""

from __future__ import annotations

import zlib
from typing import Any, Protocol

import brotli

from app.domain.errors import ProviderFault

MAX_DECODED_BYTES = 32 * 2**20


class Overflow(ProviderFault):
    """What was unpacked is larger than it may be."""


class Decoder(Protocol):
    """Undoes one encoding of one body. Raises ProviderFault(bad_reply) on broken data, Overflow past its limit."""

    def decode(self, data: bytes) -> bytes:
        """The next bytes; b"" where more must come first."""

    def finish(self) -> None:
        """The body has ended. Raises ProviderFault(cut) where the encoding has not."""


def decoder(encoding: str | None, limit: int = MAX_DECODED_BYTES) -> Decoder | None:
    """None where nothing is encoded. limit: bytes unpacked. Raises ProviderFault(bad_reply) at an unknown encoding."""
    match (encoding or "identity").strip().lower():
        case "identity" | "":
            return None
        case "gzip" | "x-gzip":
            return _Zlib(zlib.MAX_WBITS | 16, limit)
        case "deflate":
            return _Deflate(limit)
        case "br":
            return _Brotli(limit)
        case other:
            raise ProviderFault("bad_reply", f"the provider answered in an unknown content encoding {other[:32]!r}")


class _Bounded:
    def __init__(self, limit: int) -> None:
        self.limit = self.left = limit

    def count(self, out: bytes) -> bytes:
        self.left -= len(out)
        if self.left < 0:
            raise Overflow("bad_reply", f"the provider's reply is larger than {self.limit} bytes unpacked")
        return out


class _Zlib(_Bounded):
    """gzip may come in several members, each a stream of its own."""

    def __init__(self, window_bits: int, limit: int) -> None:
        super().__init__(limit)
        self._window_bits = window_bits
        self._inflate = zlib.decompressobj(window_bits)
        self._begun = False

    def decode(self, data: bytes) -> bytes:
        parts: list[bytes] = []
        while data:
            if self._inflate.eof:
                self._inflate = zlib.decompressobj(self._window_bits)
            self._begun = True
            parts.append(self.count(self._decompress(data)))
            data = self._inflate.unused_data
        return b"".join(parts)

    def finish(self) -> None:
        if self._begun and not self._inflate.eof:
            raise _cut()

    def _decompress(self, data: bytes) -> bytes:
        try:
            return self._inflate.decompress(data, self.left + 1)
        except zlib.error as fault:
            raise _damaged() from fault


class _Deflate(_Zlib):
    """What is called deflate comes in zlib's wrapper, as it should, or bare."""

    def __init__(self, limit: int) -> None:
        super().__init__(zlib.MAX_WBITS, limit)

    def decode(self, data: bytes) -> bytes:
        if data and not self._begun and data[0] & 0x0F != zlib.DEFLATED:
            self._window_bits = -zlib.MAX_WBITS
            self._inflate = zlib.decompressobj(self._window_bits)
        return super().decode(data)


class _Brotli(_Bounded):
    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self._inflate: Any = brotli.Decompressor()
        self._begun = False

    def decode(self, data: bytes) -> bytes:
        self._begun = True
        try:
            return self.count(bytes(self._inflate.process(data, output_buffer_limit=self.left + 1)))
        except brotli.error as fault:
            raise _damaged() from fault

    def finish(self) -> None:
        if self._begun and not self._inflate.is_finished():
            raise _cut()


def _damaged() -> ProviderFault:
    return ProviderFault("bad_reply", "the provider's compressed reply is damaged")


def _cut() -> ProviderFault:
    return ProviderFault("cut", "the provider's compressed reply ended before its end")
