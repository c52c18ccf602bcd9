"""Files that users keep here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

FileOrigin = Literal["upload", "picture"]
FileKind = Literal["image", "video", "audio", "document", "text"]

PURPOSES: Final = ("user_data", "assistants", "batch", "fine-tune", "vision", "evals")
"""What OpenAI's clients say a file is for. We keep the word and do nothing with it."""

MOST_FILES: Final = 10_000
"""Files that a user may keep, whatever their size: a list of them is never longer."""

DOCUMENTS: Final = frozenset(
    {
        "application/pdf",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "text/html",
    }
)
"""Types whose text is read out by a child process."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as its owner sees it.

    name: as shown, cleaned; never part of a path. content_type: by its content, from `utils.content_type`.
    origin: whether the user sent it or a model drew it.
    """

    id: str
    user_id: str
    name: str
    bytes: int
    content_type: str
    created_at: datetime
    purpose: str = "user_data"
    origin: FileOrigin = "upload"

    @property
    def kind(self) -> FileKind:
        return kind_of(self.content_type)


def kind_of(content_type: str) -> FileKind:
    """What can be done with a type that `utils.content_type` tells."""
    if content_type in DOCUMENTS:
        return "document"
    major = content_type.partition("/")[0]
    if major == "image" and content_type != "image/svg+xml":
        return "image"
    if major == "video":
        return "video"
    return "audio" if major == "audio" else "text"
