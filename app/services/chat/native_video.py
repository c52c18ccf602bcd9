"""Videos given as they are to models that take one; their frames stand beside them for the others."""

from __future__ import annotations

import hashlib
import math
from typing import Final

from app.domain.chat import FilePart, ImagePart, Part, TextPart, VideoPart
from app.domain.media import Seen
from app.factories.catalogue import takes_video
from app.services.chat.run import ChatRun
from app.utils.pools import ThreadLane

MOST_BYTES: Final = 20 * 2**20
MOST_SECONDS: Final = 600.0
"""Of a video that is worth it: a second is some 290 tokens, and its bytes stay in memory as long as its chat."""
OF_NOW: Final = ("now", "again")
"""A video of an earlier turn is shown by its frames."""
#: What Gemini calls the kinds that it reads; Matroska is none of them.
KINDS: Final = {
    "video/mp4": "video/mp4",
    "video/quicktime": "video/mov",
    "video/x-msvideo": "video/avi",
    "video/x-ms-wmv": "video/wmv",
    "video/x-flv": "video/x-flv",
    "video/webm": "video/webm",
}

_disk = ThreadLane(1)


def may_be_sent(chat: ChatRun, given: FilePart) -> bool:
    """Whether somebody who may answer takes it as it is."""
    return (
        chat.plan.work == "chat"
        and given.content_type in KINDS
        and any(takes_video(candidate.model) for candidate in chat.plan.candidates)
    )


def as_it_is(given: FilePart, frames: tuple[Part, ...], seen: Seen) -> tuple[Part, ...]:
    """The video with its frames as what stands for it; these alone where it is too large or too long."""
    seconds = seen.duration or 0.0
    content = _disk.run(lambda: _content(given))
    if content is None or seconds > MOST_SECONDS:
        return frames
    data, digest = content
    shown = tuple(part for part in frames if isinstance(part, TextPart | ImagePart))
    return (VideoPart(data, KINDS[given.content_type or ""], digest, math.ceil(seconds), shown),)


def _content(given: FilePart) -> tuple[bytes, str] | None:
    """Its bytes and their digest; None where they are too many."""
    if given.path is not None and given.path.stat().st_size > MOST_BYTES:
        return None
    data = given.data if given.path is None else given.path.read_bytes()
    if not data or len(data) > MOST_BYTES:
        return None
    return data, hashlib.sha256(data).hexdigest()
