"""Which kinds of files can be looked at, and by what reader."""

from __future__ import annotations

from typing import Final

#: The type as `utils.content_type` tells it, and Pillow's word for it.
PICTURES: Final = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
    "image/webp": "WEBP",
}
#: And FFmpeg's demuxer: named, so that what stands in a file cannot choose another.
VIDEOS: Final = {
    "video/mp4": "mov",
    "video/quicktime": "mov",
    "video/x-msvideo": "avi",
    "video/x-ms-wmv": "asf",
    "video/x-flv": "flv",
    "video/x-matroska": "matroska",
    "video/webm": "matroska",
}
_DOCUMENTS: Final = frozenset({"application/pdf", "application/json", "application/jsonl"})
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."


def is_seen(content_type: str) -> bool:
    """Whether a model must see to be asked about it."""
    return content_type in PICTURES or content_type in VIDEOS


def is_document(content_type: str) -> bool:
    """Whether it has a text to be read."""
    return content_type in _DOCUMENTS or content_type.startswith(("text/", _OFFICE))
