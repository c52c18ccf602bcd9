"""The short door's question about a picture or a video: its form as a ChatRequest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from app.domain.caller import Caller
from app.domain.chat import ChatRequest, FilePart, Message, Part, TextPart
from app.domain.errors import InvalidRequest, UnsupportedMedia
from app.schemas import checks
from app.schemas.chat_docs import SHORT_CHAT_REPLY, STRING
from app.schemas.files import ONE_FILE
from app.schemas.short_chat import MAX_SESSION, session
from app.services.media.kinds import is_seen

FIELDS: Final = frozenset({"prompt", "session_id", "model"})
FILE: Final = "video_file"
_QUALITY = re.compile(r";\s*q=([0-9.]+)")


def parse_form(
    fields: Mapping[str, str], file: FilePart | None, caller: Caller, prompt_id: str, *, drain: bool
) -> ChatRequest:
    """Raises InvalidRequest and UnsupportedMedia naming the field."""
    prompt = fields.get("prompt")
    if prompt is None or not prompt.strip():
        raise InvalidRequest("prompt is required", field="prompt")
    parts: tuple[Part, ...] = (TextPart(prompt),) if file is None else (file, TextPart(prompt))
    return ChatRequest(
        prompt_id=prompt_id,
        door="short",
        caller=caller,
        model=checks.model({"model": fields.get("model") or None}),
        messages=(Message("user", prompt if file is None else parts),),
        conversation=session({"session_id": fields.get("session_id") or None}, caller),
        drain=drain,
    )


def file_part(path: Path, size: int, name: str, content_type: str | None) -> FilePart:
    """The file of a form. Raises InvalidRequest for an empty one, UnsupportedMedia for what is not to be seen."""
    if size == 0:
        raise InvalidRequest("the file is empty", field=FILE)
    if content_type is None or not is_seen(content_type):
        raise UnsupportedMedia(
            "images (JPG, PNG, GIF, BMP, TIFF, WEBP) and videos (MP4, AVI, MOV, WMV, FLV, MKV, WEBM) are seen here",
            field=FILE,
        )
    return FilePart(FILE, path=path, name=name, content_type=content_type)


def wants_json(accept: str) -> bool:
    """Whether the reply is to be JSON: where it is asked for before plain text."""
    best = {"json": 0.0, "text": 0.0}
    for item in accept.lower().split(","):
        kind = item.partition(";")[0].strip()
        said = _QUALITY.search(item)
        try:
            quality = float(said[1]) if said else 1.0
        except ValueError:
            continue
        if kind == "application/json":
            best["json"] = max(best["json"], quality)
        elif kind in ("text/plain", "text/*", "*/*"):
            best["text"] = max(best["text"], quality)
    return best["json"] > 0 and best["json"] >= best["text"]


def sameness(fields: Mapping[str, str], sha256: str | None, *, as_json: bool) -> bytes:
    """What makes two such requests equal, as the JSON body that one of them could have had."""
    return orjson.dumps({**fields, FILE: sha256, "as_json": as_json}, option=orjson.OPT_SORT_KEYS)


BODY: dict[str, Any] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["prompt"],
                "properties": {
                    "prompt": STRING,
                    FILE: {**ONE_FILE, "description": "An image or a video, by its content."},
                    "session_id": {
                        **STRING,
                        "maxLength": MAX_SESSION,
                        "description": "A conversation to go on with, files attached to it included. The file sent "
                        "here is not kept: later turns have the question and its answer.",
                    },
                    "model": {**STRING, "default": "auto"},
                },
            }
        }
    },
}
REPLY: dict[str, Any] = {
    "200": {
        "description": "The answer; as JSON where `Accept` asks for it.",
        "content": {"text/plain": {"schema": STRING}, "application/json": {"schema": SHORT_CHAT_REPLY}},
    }
}
