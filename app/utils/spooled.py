"""Bytes that come in pieces, written to a file of their own off the loop and gone when they are let go of."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from app.utils.pools import ThreadLane

PIECE: Final = 256 * 1024
"""Bytes that wait in memory before they are written."""

KEPT_FREE: Final = 64 * 2**20
"""Bytes of the disk that are left for others: nearly full is full."""

_LOCK = "lock"


class SpoolFolder:
    """A folder for files that are only passing through. Each process has one of its own in it, locked while it lives.

    lane: the threads in which the disk is written.
    """

    def __init__(self, folder: Path, lane: ThreadLane, *, kept_free: int = KEPT_FREE) -> None:
        self._folder = folder
        self._own: Path | None = None
        self._lock = -1
        self._pid = 0
        self._kept_free = kept_free
        self.lane = lane

    def new(self) -> SpooledFile:
        """An empty one under a random name. Raises OSError."""
        return SpooledFile(self._mine() / os.urandom(16).hex(), self.lane, self._kept_free)

    def sweep(self) -> int:
        """Take away what processes left here that are no more; how many files it was."""
        gone = 0
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path != self._own:
                gone += _take_away_abandoned(path)
        return gone

    def close(self) -> None:
        """Take away the process's own folder."""
        if self._own is not None and self._pid == os.getpid():
            shutil.rmtree(self._own, ignore_errors=True)
            os.close(self._lock)
            self._own = None

    def _mine(self) -> Path:
        if self._own is None or self._pid != os.getpid() or not self._own.is_dir():
            self._own, self._lock = _locked_folder(self._folder)
            self._pid = os.getpid()
        return self._own


class SpooledFile:
    """Write, `finish`, then read by `path`; `close` takes the file away, unless somebody moved it elsewhere.

    bytes: written so far. sha256: of all of them, hexadecimal, once it is finished.
    """

    def __init__(self, path: Path, lane: ThreadLane, kept_free: int = 0) -> None:
        self.path = path
        self.bytes = 0
        self.sha256 = ""
        self._lane = lane
        self._kept_free = kept_free
        self._hash = hashlib.sha256()
        self._waiting = bytearray()
        self._fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def write(self, data: bytes) -> None:
        """Raises OSError (ENOSPC where the disk is as good as full)."""
        self.bytes += len(data)
        self._waiting += data
        if len(self._waiting) >= PIECE:
            self._flush()

    def finish(self) -> Self:
        """All has come. Raises OSError."""
        self._flush()
        self.sha256 = self._hash.hexdigest()
        os.close(self._fd)
        self._fd = -1
        return self

    def close(self) -> None:
        """Take it away; twice does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _flush(self) -> None:
        data, self._waiting = bytes(self._waiting), bytearray()
        if data:
            self._lane.run(lambda: self._store(data))

    def _store(self, data: bytes) -> None:
        self._hash.update(data)
        disk = os.fstatvfs(self._fd)
        if disk.f_bavail * disk.f_frsize < self._kept_free + len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]


def _locked_folder(parent: Path) -> tuple[Path, int]:
    """A new folder and the descriptor that holds its lock. Raises OSError."""
    parent.mkdir(0o700, parents=True, exist_ok=True)
    for _ in range(3):
        own = parent / os.urandom(8).hex()
        own.mkdir(0o700)
        try:
            lock = os.open(own / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue  # swept away before it was locked
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (own / _LOCK).exists():
                return own, lock
        except BlockingIOError:
            pass  # who sweeps has it
        os.close(lock)
    raise OSError(errno.EAGAIN, "no folder of our own could be made")


def _take_away_abandoned(path: Path) -> int:
    """Take away a process's folder whose lock nobody holds; how many files were in it."""
    try:
        fd = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        with suppress(OSError):
            path.rmdir()  # what died before it was locked is empty
        return 0
    files = 0
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        files = sum(1 for file in path.iterdir() if file.name != _LOCK)
        shutil.rmtree(path, ignore_errors=True)
    except OSError:
        pass  # its owner lives
    finally:
        os.close(fd)
    return files
