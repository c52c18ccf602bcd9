"""What the emulated providers draw, on each wire that has pictures."""

from __future__ import annotations

import base64
import struct
import time
import zlib
from typing import Any

PICTURE_TOKENS = 1290


def png(text: str, megabytes: float = 0) -> bytes:
    """A real picture of one pixel that bears the text, and so many bytes of nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    words = b"Comment\0" + text.encode()
    filler = chunk(b"fiLL", bytes(int(megabytes * 2**20))) if megabytes else b""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"tEXt", words) + filler
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")


def drawn(maker: str, prompt: str, words: set[str]) -> bytes:
    """The bytes of a picture as the words of the model's name have it."""
    if "html-picture" in words:
        return b"<!doctype html><script>alert(1)</script>"
    if "svg-picture" in words:
        return b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    megabytes = next((float(word[4:]) for word in words if word.startswith("big-")), 0)
    return png(f"{maker}: {prompt}", megabytes)


def gemini_picture(document: dict[str, Any], prompt: str, words: set[str]) -> None:
    """Puts a picture behind the text of a whole reply, and what it cost."""
    candidate, usage = document["candidates"][0], document["usageMetadata"]
    if "no-picture" in words:
        candidate["finishReason"] = "NO_IMAGE"
        return
    if "unsafe-picture" in words:
        candidate["finishReason"] = "IMAGE_SAFETY"
        candidate["content"] = {"role": "model", "parts": []}
        return
    data = base64.b64encode(drawn("gemini", prompt, words)).decode()
    candidate["content"]["parts"].append({"inlineData": {"mimeType": "image/png", "data": data}})
    text = usage["candidatesTokenCount"]
    usage["candidatesTokenCount"] = text + PICTURE_TOKENS
    usage["totalTokenCount"] += PICTURE_TOKENS
    usage["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": PICTURE_TOKENS}]


def openai_pictures(body: dict[str, Any], words: set[str]) -> dict[str, Any]:
    """The reply of `/images/generations`."""
    prompt = body["prompt"]
    rows: list[dict[str, Any]] = [
        {"url": "http://169.254.169.254/picture.png"}
        if "url-picture" in words
        else {"b64_json": base64.b64encode(drawn("openai", prompt, words)).decode()}
        for _ in range(body.get("n") or 1)
    ]
    usage = {"input_tokens": 9, "output_tokens": 1000 * len(rows), "total_tokens": 9 + 1000 * len(rows)}
    return {"created": int(time.time()), "data": rows, "usage": usage}
