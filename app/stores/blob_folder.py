"""Blobs as files of a folder: whole or not there, and nobody's to read but ours."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from app.domain.errors import Unavailable
from app.utils.pools import ThreadLane
from app.utils.spooled import PIECE, SpooledFile

log = logging.getLogger(__name__)

SPOOL: Final = "passing"
"""The folder beside the blobs that a SpoolFolder may have: a move from there is a rename."""


class BlobFolder:
    """Implements `BlobStore`. lane: the threads in which the disk is read and written."""

    def __init__(self, folder: Path, lane: ThreadLane) -> None:
        self._folder = folder
        self._lane = lane

    def put(self, blob_id: str, content: SpooledFile) -> None:
        """See `BlobStore.put`. The file is moved."""
        with _or_unavailable():
            self._lane.run(lambda: self._move_in(self._path(blob_id), content.path))

    def read(self, blob_id: str, start: int, length: int) -> Iterator[bytes]:
        """See `BlobStore.read`."""
        with _or_unavailable():
            file = self._lane.run(lambda: self._path(blob_id).open("rb", buffering=0))
        return self._pieces(file, start, length)

    @contextmanager
    def local(self, blob_id: str) -> Iterator[Path]:
        """See `BlobStore.local`."""
        path = self._path(blob_id)
        with _or_unavailable():
            self._lane.run(path.stat)
        yield path

    def delete(self, blob_id: str) -> None:
        """See `BlobStore.delete`."""
        with _or_unavailable():
            self._lane.run(lambda: self._path(blob_id).unlink(missing_ok=True))

    def _path(self, blob_id: str) -> Path:
        # Ids are ours and hexadecimal; two letters keep a folder small.
        return self._folder / blob_id[:2] / blob_id

    def _pieces(self, file: BinaryIO, start: int, length: int) -> Iterator[bytes]:
        with file:
            offset, end = start, start + length
            while offset < end:
                wanted = min(PIECE, end - offset)
                with _or_unavailable():
                    data = self._lane.run(lambda at=offset, size=wanted: os.pread(file.fileno(), size, at))  # type: ignore[misc]
                if not data:
                    raise Unavailable("The file's bytes end early.")
                yield data
                offset += len(data)

    @staticmethod
    def _move_in(path: Path, source: Path) -> None:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        with source.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(source, path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _or_unavailable() -> Iterator[None]:
    try:
        yield
    except OSError as fault:
        raise disk_fault(fault) from fault


def disk_fault(fault: OSError) -> Unavailable:
    """What a caller is told of a disk that does not do its part; which path it was is for the log."""
    log.error("files cannot be kept: %s", fault)
    full = fault.errno in (errno.ENOSPC, errno.EDQUOT)
    return Unavailable("The disk is full." if full else "Files cannot be kept or read now.", retry_after=5)
