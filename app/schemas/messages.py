"""OpenAI's `messages` as the domain's, each fault naming its place (`messages[3].content[0].image_url`).

Format: OpenAI's published schema of chat completions. A part may also stand alone where a list is usual.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, cast

from app.domain.chat import AudioPart, ChatRole, FilePart, ImagePart, Message, Part, TextPart, ToolCall
from app.domain.errors import InvalidRequest, UnsupportedMedia
from app.domain.policies import urls
from app.schemas.checks import objects, wrong

MAX_MESSAGES = 10_000
MAX_PARTS = 1_000
MAX_NAME = 1_024
ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
PICTURES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp", b"BM": "bmp"}


def parse_messages(value: Any) -> tuple[Message, ...]:
    """Raises InvalidRequest or UnsupportedMedia naming the field; a user's turn is owed."""
    items = objects(value, "messages", MAX_MESSAGES)
    messages = tuple(_message(item, f"messages[{index}]") for index, item in enumerate(items))
    if not any(message.role == "user" for message in messages):
        raise InvalidRequest("messages needs a user turn", field="messages")
    if any(message.role == "tool" or message.tool_calls for message in messages):
        _check_calls(messages)
    return messages


def _message(item: dict[str, Any], place: str) -> Message:
    role = item.get("role")
    if type(role) is not str or role not in ROLES:
        raise wrong(f"{place}.role", "one of " + ", ".join(sorted(ROLES)))
    content = item.get("content")
    calls = _calls(item.get("tool_calls"), place) if role == "assistant" else ()
    if type(content) is not str:
        content = _content(content, f"{place}.content", may_be_null=bool(calls) or bool(item.get("refusal")))
    call_id = item.get("tool_call_id")
    if (role == "tool") != (type(call_id) is str and call_id != "") and (role == "tool" or call_id is not None):
        raise wrong(f"{place}.tool_call_id", "the id of a call, in a message of the role tool")
    name, reasoning = item.get("name"), item.get("reasoning_content")
    if name is not None and (type(name) is not str or len(name) > 64):
        raise wrong(f"{place}.name", "a string of at most 64 characters")
    if reasoning is not None and type(reasoning) is not str:
        raise wrong(f"{place}.reasoning_content", "a string")
    return Message(cast(ChatRole, role), content, name, calls, call_id, reasoning)


def _content(value: Any, place: str, *, may_be_null: bool) -> tuple[Part, ...] | None:
    if value is None and may_be_null:
        return None
    if type(value) is dict:
        return (_part(value, place),)
    if type(value) is not list:
        raise wrong(place, "a string or a list of parts")
    if len(value) > MAX_PARTS:
        raise wrong(place, f"a list of at most {MAX_PARTS} parts")
    return tuple(_part(part, f"{place}[{index}]") for index, part in enumerate(value))


def _part(value: Any, place: str) -> Part:
    kind = value.get("type") if type(value) is dict else None
    if kind in ("text", "refusal"):
        text = value.get(kind)
        if type(text) is not str:
            raise wrong(f"{place}.{kind}", "a string")
        return TextPart(text)
    if kind == "image_url":
        return _image(value.get("image_url"), f"{place}.image_url")
    if kind == "input_audio":
        return _audio(value.get("input_audio"), f"{place}.input_audio")
    if kind == "file":
        return _file(value.get("file"), f"{place}.file")
    raise wrong(f"{place}.type", "one of text, image_url, input_audio, file")


def _image(value: Any, place: str) -> ImagePart:
    url, detail = (value.get("url"), value.get("detail")) if type(value) is dict else (value, None)
    if type(url) is not str or detail not in (None, "low", "high", "auto"):
        raise wrong(place, "an object with a url, and a detail of low, high or auto")
    if url[:6].lower() == "https:":
        target = urls.parse(url, f"{place}.url")
        urls.check_fetchable(target, f"{place}.url")
        return ImagePart(target.url, detail)
    if not url.startswith("data:"):
        raise wrong(f"{place}.url", "a data: or https: URL")
    head, comma, data = url.partition(",")
    if not comma or not head.endswith(";base64"):
        raise wrong(f"{place}.url", "a data: URL in base64")
    if not head.startswith("data:image/") or head.startswith("data:image/svg"):
        raise UnsupportedMedia("a picture is PNG, JPEG, GIF, WEBP or BMP", field=f"{place}.url")
    try:
        decoded = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("the picture is no valid base64", field=f"{place}.url") from None
    if not any(decoded.startswith(magic) for magic in PICTURES):
        raise UnsupportedMedia("what is sent as a picture is none that is known here", field=f"{place}.url")
    return ImagePart(url, detail)


def _file(value: Any, place: str) -> FilePart:
    """By `file_id`, or in it as base64 `file_data`, plain or as a data: URL; with a `filename`."""
    said = value if type(value) is dict else {}
    file_id, data, name = said.get("file_id"), said.get("file_data"), said.get("filename")
    if name is not None and (type(name) is not str or len(name) > MAX_NAME):
        raise wrong(f"{place}.filename", f"a string of at most {MAX_NAME} characters")
    if (file_id is None) == (data is None):
        raise wrong(place, "an object with a file_id or file_data")
    if file_id is not None:
        if type(file_id) is not str or not 0 < len(file_id) <= 128:
            raise wrong(f"{place}.file_id", "the id of a file")
        return FilePart(f"{place}.file_id", id=file_id)
    if type(data) is not str:
        raise wrong(f"{place}.file_data", "a file in base64")
    head, comma, rest = data.partition(",")
    if comma and not (head.startswith("data:") and head.endswith(";base64")):
        raise wrong(f"{place}.file_data", "a file in base64")
    try:
        raw = base64.b64decode(rest if comma else data, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("the file is no valid base64", field=f"{place}.file_data") from None
    if not raw:
        raise InvalidRequest("the file is empty", field=f"{place}.file_data")
    return FilePart(f"{place}.file_data", data=raw, name=name or "")


def _audio(value: Any, place: str) -> AudioPart:
    data, form = (value.get("data"), value.get("format")) if type(value) is dict else (None, None)
    if type(data) is not str or type(form) is not str or not form.isalnum() or len(form) > 16:
        raise wrong(place, "an object with base64 data and a format")
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("the recording is no valid base64", field=f"{place}.data") from None
    return AudioPart(data, form)


def _calls(value: Any, place: str) -> tuple[ToolCall, ...]:
    if value is None:
        return ()
    calls = []
    for index, item in enumerate(objects(value, f"{place}.tool_calls", 128)):
        function = item.get("function")
        parts = (item.get("id"), *((function.get("name"), function.get("arguments")) if type(function) is dict else ()))
        if len(parts) != 3 or not all(type(part) is str for part in parts) or not parts[0] or not parts[1]:
            raise wrong(f"{place}.tool_calls[{index}]", "a call with id, function.name and function.arguments")
        calls.append(ToolCall(parts[0], parts[1], parts[2]))
    return tuple(calls)


def _check_calls(messages: tuple[Message, ...]) -> None:
    """Each call has one result right after it, each result a call before it."""
    owed: dict[str, str] = {}
    for index, message in enumerate(messages):
        if message.role == "tool":
            if owed.pop(message.tool_call_id or "", None) is None:
                raise InvalidRequest("this result answers no open call", field=f"messages[{index}].tool_call_id")
            continue
        _check_answered(owed)
        for number, call in enumerate(message.tool_calls):
            place = f"messages[{index}].tool_calls[{number}].id"
            if call.id in owed:
                raise InvalidRequest("two calls bear one id", field=place)
            owed[call.id] = place
    _check_answered(owed)


def _check_answered(owed: dict[str, str]) -> None:
    if owed:
        raise InvalidRequest("this call has no result", field=next(iter(owed.values())))
