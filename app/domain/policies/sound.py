"""How long a recording is before anybody has heard it. Pure."""

from __future__ import annotations

import struct

HEAD = 64
#: Of speech that is packed at 32 kbit/s; most is packed less, so that this is rather too long.
BYTES_A_SECOND = 4_000
#: No codec packs speech into less: who says that a recording is longer than this has it is not believed.
FEWEST_BYTES_A_SECOND = 300
SPARE_SECONDS = 60


def seconds_of(head: bytes, size: int) -> int:
    """Seconds, rounded up: of a WAV by its header, else by its size. head: its first 64 bytes."""
    rate = BYTES_A_SECOND
    if head[:4] == b"RIFF" and head[8:16] == b"WAVEfmt " and len(head) >= 32:
        rate = max(struct.unpack_from("<I", head, 28)[0], FEWEST_BYTES_A_SECOND)
    return max(1, -(-size // rate))


def silence(seconds: int = 1, rate: int = 8_000) -> bytes:
    """A WAV in which nothing is said."""
    size = 2 * seconds * rate
    head = struct.pack(
        "<4sI8sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVEfmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", size
    )
    return head + bytes(size)


def believable(seconds: float, size: int) -> bool:
    """Whether a recording of so many bytes can be so long."""
    return 0 <= seconds <= size / FEWEST_BYTES_A_SECOND + SPARE_SECONDS
