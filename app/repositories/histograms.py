"""Histograms as the two engines keep them: PostgreSQL as a number of any length, SQLite as that number's bytes."""

from __future__ import annotations

import sqlite3
from decimal import Decimal


def pack(histogram: int) -> bytes:
    """As SQLite keeps it: the shortest bytes, lowest first."""
    return histogram.to_bytes((histogram.bit_length() + 7) // 8, "little")


def unpack(kept: bytes | Decimal | None) -> int:
    """A stored histogram or a sum of them as a number; that of nothing is 0."""
    if isinstance(kept, bytes):
        return int.from_bytes(kept, "little")
    return int(kept or 0)


def teach(connection: sqlite3.Connection) -> None:
    """Let SQL add histograms: SQLite's own numbers end at 64 bits."""
    connection.create_function("histogram_add", 2, _added, deterministic=True)
    connection.create_aggregate("histogram_sum", 1, _Sum)  # type: ignore[arg-type]


def _added(one: bytes, other: bytes) -> bytes:
    return pack(unpack(one) + unpack(other))


class _Sum:
    def __init__(self) -> None:
        self._total = 0

    def step(self, kept: bytes) -> None:
        self._total += int.from_bytes(kept, "little")

    def finalize(self) -> bytes:
        return pack(self._total)
