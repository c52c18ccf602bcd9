"""What the emulated providers say of texts as vectors, on OpenAI's wire."""

from __future__ import annotations

import base64
import hashlib
import struct
from typing import Any

DIMENSIONS = 8


def vector(text: str, dimensions: int = DIMENSIONS) -> list[float]:
    """Numbers that are the text's own, not of length one."""
    digest = hashlib.sha256(text.encode()).digest()
    return [(digest[place % 32] - 128) / 64 for place in range(dimensions)]


def too_much(texts: Any) -> str | None:
    """Why a text is refused: more than 8,192 tokens, four letters one of them, and any other character."""
    for place, text in enumerate(texts if isinstance(texts, list) else [texts]):
        if isinstance(text, str) and sum(1 if ord(letter) > 127 else 0.25 for letter in text) > 8192:
            return f"Invalid 'input[{place}]': maximum context length is 8192 tokens."
    return None


def openai_vectors(body: dict[str, Any], words: set[str]) -> dict[str, Any]:
    """The reply of `/embeddings`: `base64-vectors`, `shuffled-vectors`, and what is wrong: `few-vectors`,
    `nan-vector`, `text-vector`, `uneven-vectors`, `no-vectors`, `twice-vector`."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    rows: list[dict[str, Any]] = []
    for index, text in enumerate(texts):
        numbers: Any = vector(text, body.get("dimensions") or DIMENSIONS)
        if "base64-vectors" in words:
            numbers = base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()
        rows.append({"object": "embedding", "index": index, "embedding": numbers})
    if "shuffled-vectors" in words:
        rows.reverse()
    if "few-vectors" in words:
        rows.pop()
    if "nan-vector" in words:
        rows[0]["embedding"] = base64.b64encode(struct.pack("<2f", float("nan"), 1)).decode()
    if "text-vector" in words:
        rows[0]["embedding"] = ["one", "two"]
    if "uneven-vectors" in words:
        rows[0]["embedding"] = [1.0]
    if "twice-vector" in words:
        rows[0]["index"] = 1
    tokens = sum(len(text.split()) for text in texts)
    data: Any = "nothing" if "no-vectors" in words else rows
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}
