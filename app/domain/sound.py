"""Recordings and what was said in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: What Whisper takes, by the type that content tells, and the ending by which its providers know it.
ENDINGS: Mapping[str, str] = {
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/wav": "wav",
    "audio/ogg": "ogg",
    "audio/flac": "flac",
    "audio/aac": "aac",
    "audio/aiff": "aiff",
    "audio/amr": "amr",
    "video/mp4": "mp4",
    "video/quicktime": "mp4",
    "video/webm": "webm",
    "video/mpeg": "mpeg",
}


@dataclass(frozen=True, slots=True)
class Heard:
    """All that a provider told of a recording, behind its text. language: as the provider calls it; seconds: of the
    recording, None where it was not told.

    segments: `start` and `end` in seconds and `text`, with what else OpenAI's schema has; words: the same with `word`.
    """

    text: str
    language: str | None = None
    seconds: float | None = None
    segments: tuple[Mapping[str, Any], ...] = ()
    words: tuple[Mapping[str, Any], ...] = ()
