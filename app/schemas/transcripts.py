"""What was said in a recording: the form of `/audio/transcriptions` as a ChatRequest, and the reply in its formats.

Format: OpenAI's published schema of transcriptions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from app.domain.caller import Caller
from app.domain.chat import ChatRequest, FilePart, Message
from app.domain.errors import InvalidRequest, UnsupportedMedia
from app.domain.events import Done
from app.domain.policies.sound import seconds_of
from app.domain.sound import ENDINGS, Heard
from app.domain.wishes import Wishes
from app.schemas import checks
from app.schemas.chat_docs import STRING
from app.schemas.files import ONE_FILE
from app.schemas.parameters import PRICED, STEERING

FORMATS: Final = ("json", "text", "verbose_json", "srt", "vtt")
GRANULARITIES: Final = ("word", "segment")
LONGEST_PROMPT: Final = 10_000
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})?")


def parse(
    fields: Mapping[str, str],
    lists: Mapping[str, list[str]],
    file: FilePart,
    caller: Caller,
    prompt_id: str,
    *,
    drain: bool,
) -> ChatRequest:
    """Raises InvalidRequest naming the field."""
    _refuse(fields)
    model = checks.text(fields, "model", longest=300)
    if not model:
        raise InvalidRequest("model is required", field="model")
    wanted = format_of(fields)
    params = {
        "language": _language(fields),
        "prompt": checks.text(fields, "prompt", longest=LONGEST_PROMPT),
        "temperature": _temperature(fields),
        "timestamp_granularities": _granularities(lists, wanted),
    }
    return ChatRequest(
        prompt_id=prompt_id,
        door="openai",
        caller=caller,
        model=model,
        messages=(Message("user", (file,)),),
        params={name: value for name, value in params.items() if value},
        drain=drain,
        wishes=Wishes(transcript=True),
    )


def recording(path: Path, size: int, name: str, content_type: str | None, head: bytes) -> FilePart:
    """The form's file. Raises InvalidRequest for an empty one, UnsupportedMedia for what is no recording."""
    if size == 0:
        raise InvalidRequest("the file is empty", field="file")
    if content_type not in ENDINGS:
        raise UnsupportedMedia(
            "recordings are MP3, MP4, M4A, MPEG, WAV, WEBM, OGG, FLAC, AAC, AIFF or AMR", field="file"
        )
    seconds = seconds_of(head, size)
    return FilePart("file", path=path, name=name, content_type=content_type, seconds=seconds)


def format_of(fields: Mapping[str, str]) -> str:
    """How the reply is to be told. Raises InvalidRequest."""
    return checks.choice(fields, "response_format", FORMATS) or "json"


def sameness(fields: Mapping[str, str], lists: Mapping[str, list[str]], sha256: str) -> bytes:
    """What makes two such requests equal, as the JSON body that one of them could have had."""
    return orjson.dumps({**fields, "lists": lists, "file": sha256}, option=orjson.OPT_SORT_KEYS)


def reply(done: Done, wanted: str) -> tuple[bytes, str]:
    """The body in the wanted format and its content type."""
    heard = done.heard or Heard(done.answers[0].text)
    if wanted == "text":
        return f"{heard.text}\n".encode(), "text/plain; charset=utf-8"
    if wanted in ("srt", "vtt"):
        kind = "text/vtt" if wanted == "vtt" else "application/x-subrip"
        return _subtitles(heard, done.usage.seconds, wanted).encode(), f"{kind}; charset=utf-8"
    told: dict[str, Any] = {"text": heard.text, "usage": {"type": "duration", "seconds": done.usage.seconds}}
    if wanted == "verbose_json":
        length = float(done.usage.seconds) if heard.seconds is None else heard.seconds
        told |= {"task": "transcribe", "language": heard.language or "", "duration": length}
        told["segments"] = list(heard.segments)
        if heard.words:
            told["words"] = list(heard.words)
    return orjson.dumps(told), "application/json"


def _subtitles(heard: Heard, seconds: int, wanted: str) -> str:
    rows = heard.segments or ({"start": 0.0, "end": float(seconds), "text": heard.text},)
    comma = "," if wanted == "srt" else "."
    cues = []
    for number, row in enumerate(rows, 1):
        # An empty line would end a cue, an arrow begin one.
        text = " ".join(str(row["text"]).replace("-->", "->").split())
        times = f"{_clock(row['start'], comma)} --> {_clock(row['end'], comma)}"
        cues.append(f"{number}\n{times}\n{text}\n" if wanted == "srt" else f"{times}\n{text}\n")
    return "\n".join(cues) if wanted == "srt" else "\n".join(["WEBVTT\n", *cues])


def _clock(seconds: float, mark: str) -> str:
    whole = max(0, round(seconds * 1000))
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}{mark}{whole % 1000:03}"


def _refuse(fields: Mapping[str, str]) -> None:
    for name in fields:
        if name in STEERING:
            raise InvalidRequest(f"{name} would steer our own call and is not taken from a caller", field=name)
        if name in PRICED:
            raise InvalidRequest(f"{name} is not allowed for this model", field=name)
    if fields.get("url"):
        raise InvalidRequest("send the recording itself: addresses are not fetched here", field="url")
    if fields.get("stream", "false").lower() not in ("false", ""):
        raise InvalidRequest("a transcript comes whole: stream is not served here", field="stream")


def _language(fields: Mapping[str, str]) -> str | None:
    language = fields.get("language")
    if language and _LANGUAGE.fullmatch(language) is None:
        raise checks.wrong("language", "a language's code, as en or pt-BR")
    return language


def _temperature(fields: Mapping[str, str]) -> float | None:
    told = fields.get("temperature")
    if not told:
        return None
    try:
        temperature = float(told)
    except ValueError:
        temperature = -1.0
    if not 0 <= temperature <= 1:  # what is no number is not either
        raise checks.wrong("temperature", "a number from 0 to 1")
    return temperature


def _granularities(lists: Mapping[str, list[str]], wanted: str) -> tuple[str, ...]:
    told = lists.get("timestamp_granularities", [])
    if not all(one in GRANULARITIES for one in told):
        raise checks.wrong("timestamp_granularities[]", "word or segment")
    if told and wanted != "verbose_json":
        raise InvalidRequest(
            "timestamp_granularities[] needs response_format verbose_json", field="timestamp_granularities[]"
        )
    return tuple(dict.fromkeys(told))


BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file", "model"],
                "properties": {
                    "file": {**ONE_FILE, "description": "A recording, by its content."},
                    "model": STRING,
                    "language": STRING,
                    "prompt": {**STRING, "maxLength": LONGEST_PROMPT},
                    "response_format": {**STRING, "enum": list(FORMATS), "default": "json"},
                    "temperature": {"type": "number", "minimum": 0, "maximum": 1},
                    "timestamp_granularities[]": {"type": "array", "items": {"enum": list(GRANULARITIES)}},
                },
            }
        }
    },
}
_JSON: dict[str, Any] = {
    "type": "object",
    "required": ["text", "usage"],
    "properties": {
        "text": STRING,
        "usage": {
            "type": "object",
            "required": ["type", "seconds"],
            "properties": {"type": {"const": "duration"}, "seconds": {"type": "integer"}},
        },
        "task": {"const": "transcribe", "description": "With all that follows, of `verbose_json`."},
        "language": STRING,
        "duration": {"type": "number"},
        "segments": {"type": "array", "items": {"type": "object"}},
        "words": {"type": "array", "items": {"type": "object"}, "description": "Where words were asked for."},
    },
}
REPLY: dict[str, Any] = {
    "200": {
        "description": "What was said.",
        "content": {
            "application/json": {"schema": _JSON},
            "text/plain": {"schema": STRING},
            "text/vtt": {"schema": STRING},
            "application/x-subrip": {"schema": STRING},
        },
    }
}
