"""Pictures at the OpenAI door: the body of `/images/generations` as a ChatRequest, and its reply.

Format: OpenAI's published schema of image generations.
"""

from __future__ import annotations

import base64
import re
import time
from typing import Any

from app.domain.caller import Caller
from app.domain.chat import ChatRequest, Message
from app.domain.errors import InvalidRequest
from app.domain.events import Done
from app.domain.wishes import Wishes
from app.schemas import checks
from app.schemas.app_chat import picture
from app.schemas.openai_chat import fallbacks
from app.schemas.parameters import STEERING

LONGEST_PROMPT = 32_000
MOST = 10
LEAST_SIDE, MOST_SIDE = 64, 2_048
FORMATS = ("b64_json", "url")
#: Words that OpenAI's own models know; whoever draws here goes without them.
UNHEARD = ("background", "moderation", "output_format", "quality", "style", "user")
#: They would keep data elsewhere, or change the price.
PRICED = ("service_tier", "store", "prediction")
_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")


def parse(body: dict[str, Any], caller: Caller, prompt_id: str, *, drain: bool) -> ChatRequest:
    """Raises InvalidRequest naming the field."""
    _refuse(body)
    prompt = checks.text(body, "prompt", longest=LONGEST_PROMPT)
    if prompt is None or not prompt.strip():
        raise InvalidRequest("prompt is required", field="prompt")
    form = checks.choice(body, "response_format", FORMATS) or "b64_json"
    return ChatRequest(
        prompt_id=prompt_id,
        door="openai",
        caller=caller,
        model=checks.model(body),
        messages=(Message("user", prompt),),
        params={"n": checks.integer(body, "n", 1, MOST) or 1, "size": _size(body)},
        fallbacks=fallbacks(body),
        drain=drain,
        wishes=Wishes(picture=True, as_bytes=form == "b64_json"),
    )


def _refuse(body: dict[str, Any]) -> None:
    for name in body:
        if name in STEERING:
            raise InvalidRequest(f"{name} would steer our own call and is not taken from a caller", field=name)
        if name in PRICED and body[name]:
            raise InvalidRequest(f"{name} is not allowed for this model", field=name)
    for name in UNHEARD:
        checks.text(body, name, longest=512)
    if checks.boolean(body, "stream"):
        raise InvalidRequest("a picture comes whole: stream is not served here", field="stream")


def _size(body: dict[str, Any]) -> str | None:
    size = checks.text(body, "size", longest=16)
    if size is None or size == "auto":
        return None
    sides = _SIZE.fullmatch(size)
    if sides is None or not all(LEAST_SIDE <= int(side) <= MOST_SIDE for side in sides.groups()):
        raise checks.wrong("size", f"auto, or WIDTHxHEIGHT of {LEAST_SIDE} to {MOST_SIDE} pixels each")
    return size


def reply(done: Done) -> dict[str, Any]:
    """Addresses where the pictures were kept, their bytes where they were not."""
    if done.images:
        data: list[dict[str, str]] = [{"url": picture(file_id)["url"]} for file_id in done.images]
    else:
        data = [{"b64_json": base64.b64encode(drawn.data).decode()} for drawn in done.pictures]
    used = done.usage
    return {
        "created": int(time.time()),
        "data": data,
        "usage": {
            "input_tokens": used.prompt,
            "output_tokens": used.completion,
            "total_tokens": used.total,
            "input_tokens_details": {"text_tokens": used.prompt, "image_tokens": 0},
        },
    }
