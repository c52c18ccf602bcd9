"""What an emulated provider was shown, whichever wire it came by."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from tests.journeys.gateway import Gateway


@dataclass(frozen=True)
class Shown:
    """The parts of the last question in their order, and those before it that are the system's."""

    parts: tuple[str | bytes, ...]
    system: str

    @property
    def pictures(self) -> list[bytes]:
        return [part for part in self.parts if isinstance(part, bytes)]

    @property
    def text(self) -> str:
        return "\n".join(part for part in self.parts if isinstance(part, str))

    @property
    def times(self) -> list[float]:
        """Of the frames: the mark that stands before each, in seconds."""
        found = []
        for mark, part in zip(self.parts, self.parts[1:], strict=False):
            if isinstance(part, bytes) and isinstance(mark, str) and mark.startswith("["):
                minutes, _, seconds = mark.strip("[]").rpartition(":")
                found.append(int(minutes) * 60 + float(seconds))
        return found


def shown(gateway: Gateway) -> Shown:
    """What the last call that a provider got says."""
    return shown_by(gateway.upstream.log()[-1]["body"])


def shown_by(body: dict[str, Any]) -> Shown:
    if "contents" in body:
        parts = body["contents"][-1]["parts"]
        system = "".join(part["text"] for part in body.get("systemInstruction", {}).get("parts", []))
        return Shown(tuple(_gemini(part) for part in parts), system)
    turns = body["messages"]
    content = turns[-1]["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    system = "".join(str(turn["content"]) for turn in turns if turn["role"] == "system") + str(body.get("system", ""))
    return Shown(tuple(_openai(part) for part in parts), system)


def _gemini(part: dict[str, Any]) -> str | bytes:
    return part["text"] if "text" in part else base64.b64decode(part["inlineData"]["data"])


def _openai(part: dict[str, Any]) -> str | bytes:
    if part["type"] == "text":
        return str(part["text"])
    if part["type"] == "image":
        return base64.b64decode(part["source"]["data"])
    return base64.b64decode(part["image_url"]["url"].partition(",")[2])


def infer(gateway: Gateway, file: bytes | Path | None, prompt: str = "What is it?", **fields: Any) -> requests.Response:
    """One call of `/infer`. name: the file's; headers: beside the caller's own."""
    name, headers = fields.pop("name", "file"), fields.pop("headers", {})
    raw = file.read_bytes() if isinstance(file, Path) else file
    files: dict[str, Any] = {key: (None, value) for key, value in {"prompt": prompt, **fields}.items()}
    if raw is not None:
        files["video_file"] = (name, raw)
    return gateway.http.post(f"{gateway.url}/infer", files=files, headers=headers, timeout=60)


def left_behind(gateway: Gateway) -> list[Path]:
    """Files that were only passing through and are still there."""
    folder = gateway.server.folder / "instance"
    passing = [*(folder / "media" / "jobs").rglob("*"), *(folder / "uploads").rglob("spool/*/*")]
    return [path for path in passing if path.name != "lock"]
