"""Where the bytes of files lie: on disk, or in a bucket. Neither knows whose they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from app.utils.spooled import SpooledFile


class BlobStore(Protocol):
    """Bytes under random ids. Every method raises Unavailable where the store does not do its part."""

    def put(self, blob_id: str, content: SpooledFile) -> None:
        """Keep what was spooled, for good once it returns: all of it or nothing. It may take the file away."""

    def read(self, blob_id: str, start: int, length: int) -> Iterator[bytes]:
        """So many bytes from there on, in pieces. It has begun when it returns: what is missing raises here."""

    def local(self, blob_id: str) -> AbstractContextManager[Path]:
        """The bytes as a file of this machine, to be read, while the block runs."""

    def delete(self, blob_id: str) -> None:
        """Take them away; nothing there is as good."""
