"""The wire of OpenAI's `/audio/transcriptions`, which Groq speaks too: the form's fields, and what comes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil, isfinite
from typing import Any

from app.adapters.wire import json_object
from app.domain.chat import FilePart, ProviderCall
from app.domain.errors import ProviderFault
from app.domain.events import Delta, Finish, ProviderEvent, UsageReport
from app.domain.policies.sound import believable
from app.domain.policies.tokens import estimate
from app.domain.sound import ENDINGS, Heard
from app.domain.usage import Usage, UsageSource

_SEGMENT = (
    "id", "seek", "start", "end", "text", "tokens", "temperature", "avg_logprob", "compression_ratio",
    "no_speech_prob",
)  # fmt: skip
_WORD = ("word", "start", "end")
MOST_ROWS = 200_000


def recording(call: ProviderCall) -> FilePart:
    """The recording that is to be heard. Raises ProviderFault where there is none."""
    for message in call.messages:
        for part in message.content if isinstance(message.content, tuple) else ():
            if isinstance(part, FilePart):
                return part
    raise ProviderFault("invalid_request", "there is no recording", sent=False)


def file_name(part: FilePart) -> str:
    """A name of our own: providers tell the format by its ending, and the caller's is nobody's business."""
    return f"recording.{ENDINGS.get(part.content_type or '', 'bin')}"


def fields(call: ProviderCall) -> dict[str, Any]:
    """What is asked beside the file. Whisper is always asked for all it knows; others answer in plain JSON alone."""
    params, whisper = call.params, "whisper" in call.model_name
    found: dict[str, Any] = {"model": call.model_name, "response_format": "verbose_json" if whisper else "json"}
    found |= {name: params[name] for name in ("language", "prompt", "temperature") if params.get(name) is not None}
    if whisper and params.get("timestamp_granularities"):
        found["timestamp_granularities"] = list(params["timestamp_granularities"])
    return found


def events(body: bytes, size: int, guessed: int) -> Iterator[ProviderEvent]:
    """The events of a reply. size: the recording's bytes; guessed: its seconds, where the provider does not tell them.

    Raises ProviderFault(bad_reply).
    """
    heard = _heard(json_object(body), size)
    seconds = guessed if heard.seconds is None else ceil(heard.seconds)
    yield Delta(heard.text)
    yield heard
    source: UsageSource = "counted" if heard.seconds is None else "provider"
    yield UsageReport(Usage(completion=estimate(heard.text), source=source, seconds=seconds))
    yield Finish("stop")


def _heard(reply: Mapping[str, Any], size: int) -> Heard:
    text = reply.get("text")
    if not isinstance(text, str):
        raise ProviderFault("bad_reply", "the reply has no text", status=200)
    language = reply.get("language")
    return Heard(
        text,
        language if isinstance(language, str) else None,
        _seconds(reply, size),
        _rows(reply.get("segments"), _SEGMENT, "text"),
        _rows(reply.get("words"), _WORD, "word"),
    )


def _seconds(reply: Mapping[str, Any], size: int) -> float | None:
    usage = reply.get("usage")
    told = reply.get("duration", usage.get("seconds") if isinstance(usage, dict) else None)
    if isinstance(told, str):
        try:
            told = float(told)
        except ValueError:
            return None
    return float(told) if _is_number(told) and believable(told, size) else None


def _rows(told: Any, names: tuple[str, ...], said: str) -> tuple[Mapping[str, Any], ...]:
    """Those rows of a list that say from when to when what was said."""
    rows = told[:MOST_ROWS] if isinstance(told, list) else ()
    return tuple(
        {name: row[name] for name in names if name in row}
        for row in rows
        if isinstance(row, dict)
        and isinstance(row.get(said), str)
        and _is_number(row.get("start"))
        and _is_number(row.get("end"))
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value)
