"""Recordings read for who sends them on."""

from __future__ import annotations

from app.domain.chat import FilePart
from app.domain.errors import ProviderFault
from app.utils.pools import ThreadLane

_lane = ThreadLane(2)


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
