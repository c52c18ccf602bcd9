"""Recordings read for who sends them on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO

from app.domain.chat import FilePart
from app.domain.errors import ProviderFault
from app.utils.pools import ThreadLane

_lane = ThreadLane(2)


@contextmanager
def opened(part: FilePart) -> Iterator[tuple[BinaryIO, int]]:
    """The recording to be read piece by piece, and its bytes. Raises ProviderFault."""
    if part.data is not None or part.path is None:
        content = content_of(part)
        yield BytesIO(content), len(content)
        return
    try:
        file = part.path.open("rb")
    except OSError as fault:
        raise ProviderFault("invalid_request", "the recording cannot be read", sent=False) from fault
    with file:
        yield file, os.fstat(file.fileno()).st_size


def content_of(part: FilePart) -> bytes:
    """Its bytes, read where the disk holds nobody up. Raises ProviderFault."""
    if part.data is not None:
        return part.data
    path = part.path
    if path is None:
        raise ProviderFault("invalid_request", "the recording has no content", sent=False)
    try:
        return _lane.run(path.read_bytes)
    except OSError as fault:
        raise ProviderFault("invalid_request", "the recording cannot be read", sent=False) from fault
