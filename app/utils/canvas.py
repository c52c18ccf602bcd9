"""A picture of few colours, drawn row by row and written as PNG (PNG specification, third edition)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from app.utils.glyphs import HEIGHT, WIDTH, glyph

Colour = tuple[int, int, int]


class Canvas:
    """width, height: in pixels. palette: up to 256 colours, named by their place."""

    def __init__(self, width: int, height: int, palette: Sequence[Colour]) -> None:
        self.width, self.height = width, height
        self._palette = b"".join(bytes(colour) for colour in palette)
        self._rows = [bytearray(width) for _ in range(height)]

    def span(self, y: int, left: int, right: int, colour: int) -> None:
        """Pixels of a row from left up to, not with, right; what lies outside is left out."""
        left, right = max(left, 0), min(right, self.width)
        if 0 <= y < self.height and left < right:
            self._rows[y][left:right] = bytes((colour,)) * (right - left)

    def box(self, left: int, top: int, right: int, bottom: int, colour: int) -> None:
        for y in range(max(top, 0), min(bottom, self.height)):
            self.span(y, left, right, colour)

    def disc(self, x: int, y: int, radius: int, colour: int) -> None:
        for step in range(-radius, radius + 1):
            half = int((radius * radius - step * step) ** 0.5)
            self.span(y + step, x - half, x + half, colour)

    def peak(self, x: int, top: int, slope: float, colour: int) -> None:
        """A mountain: from its top it grows to both sides by so many pixels a row."""
        for y in range(max(top, 0), self.height):
            half = int((y - top) * slope)
            self.span(y, x - half, x + half, colour)

    def text(self, left: int, top: int, line: str, colour: int, scale: int) -> None:
        """One line; a point of a letter is a square of `scale` pixels."""
        for place, letter in enumerate(line):
            at = left + place * (WIDTH + 1) * scale
            for column, bits in enumerate(glyph(letter)):
                for row in range(HEIGHT):
                    if bits >> row & 1:
                        x, y = at + column * scale, top + row * scale
                        self.box(x, y, x + scale, y + scale, colour)

    def png(self) -> bytes:
        header = struct.pack(">IIBBBBB", self.width, self.height, 8, 3, 0, 0, 0)
        pixels = zlib.compress(b"".join(b"\0" + row for row in self._rows), 1)
        chunks = ((b"IHDR", header), (b"PLTE", self._palette), (b"IDAT", pixels), (b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
