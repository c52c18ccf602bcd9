"""What the emulated providers hear: the form of `/audio/transcriptions`, read, and its reply."""

from __future__ import annotations

import hashlib
import io
import struct
import wave
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

SENTENCES = ("Hello there. ", "This is a test.")


def wav(seconds: float = 2.0, rate: int = 8_000) -> bytes:
    """Silence, as a real WAV file."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(int(seconds * rate) * 2))
    return out.getvalue()


def seconds_of(data: bytes) -> float:
    """Of a WAV by its header; of anything else as real providers would say after listening to it."""
    if data[:4] != b"RIFF":
        return 12.5
    return (len(data) - 44) / float(struct.unpack_from("<I", data, 28)[0])


def form(content_type: str, body: bytes) -> dict[str, Any]:
    """The fields of a form, lists where one came twice; a file as name, type, bytes, seconds and sha256."""
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    found: dict[str, Any] = {}
    for part in message.iter_parts():  # type: ignore[attr-defined]
        name = part.get_param("name", header="content-disposition")
        data = part.get_payload(decode=True) or b""
        if part.get_filename() is not None:
            found[name] = {
                "name": part.get_filename(),
                "type": part.get_content_type(),
                "bytes": len(data),
                "seconds": seconds_of(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        elif name.endswith("[]"):
            found.setdefault(name, []).append(data.decode())
        else:
            found[name] = data.decode()
    return found


def refused(body: dict[str, Any]) -> str | None:
    """Why a real provider would not take this form."""
    known = {
        "model", "file", "response_format", "language", "prompt", "temperature", "timestamp_granularities[]",
    }  # fmt: skip
    if unknown := body.keys() - known:
        return f"Unknown parameter: {min(unknown)}"
    if not isinstance(body.get("file"), dict) or not body["file"]["bytes"]:
        return "file is required"
    if body["file"]["name"].rpartition(".")[2] not in ("flac", "mp3", "mp4", "mpeg", "m4a", "ogg", "wav", "webm"):
        return "file must be one of the following types: [flac mp3 mp4 mpeg mpga m4a ogg opus wav webm]"
    if "whisper" not in str(body.get("model")) and body.get("response_format", "json") not in ("json", "text"):
        return "response_format 'verbose_json' is not compatible with this model"
    return None


def heard(body: dict[str, Any], words: set[str]) -> dict[str, Any]:
    """The reply. words: of the model's name: `no-duration`, `odd-duration`, `odd-segments`, `speechless`."""
    text = "" if "speechless" in words else "".join(SENTENCES)
    reply: dict[str, Any] = {"text": text}
    if body.get("response_format") != "verbose_json":
        return reply | {"usage": {"type": "duration", "seconds": body["file"]["seconds"]}}
    length = body["file"]["seconds"]
    half = length / 2
    reply |= {
        "task": "transcribe",
        "language": body.get("language") or "English",
        "duration": length,
        "segments": [
            {"id": n, "seek": 0, "start": n * half, "end": (n + 1) * half, "text": said, "tokens": [1, 2],
             "temperature": 0, "avg_logprob": -0.2, "compression_ratio": 1.1, "no_speech_prob": 0.01}
            for n, said in enumerate(SENTENCES)
        ],
        "x_groq": {"id": "req_emulated"},
    }  # fmt: skip
    if "word" in body.get("timestamp_granularities[]", ()):
        reply["words"] = [{"word": "Hello", "start": 0, "end": 0.5}]
    if "no-duration" in words:
        del reply["duration"]
    if "odd-duration" in words:
        reply["duration"] = 1e12
    if "odd-segments" in words:
        reply["segments"] = [None, 5, {"start": "a"}, {"start": 0, "end": 1, "text": "a --> b\n\nc"}]
    return reply
