"""Files on disk for chats that ended while the database was away: a file a worker, flushed to the disk, bounded.

Everything here blocks and belongs into a native thread, but `pending` and `full`. Whoever writes to a file or removes
it holds its lock, so that any worker may replay the files of all; who replays holds the folder's lock.
"""

from __future__ import annotations

import fcntl
import heapq
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.domain.ledger import SettledChat
from app.repositories.spool_codec import decode
from app.utils.ids import new_id

#: Of the bound, this part is kept for chats that were accepted before the spool counted as full.
_KEPT_FREE: Final = 16
_SUFFIX: Final = ".spool"
#: One replayed group, in chats and in bytes.
_GROUP: Final = 256
_GROUP_BYTES: Final = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Spooled:
    """A line of a file: the chat, or None where the line is damaged."""

    file: Path
    line: bytes
    chat: SettledChat | None


class Spool:
    """folder: made at the first use. max_bytes: of all workers' files together."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._path: Path | None = None
        self._fd = -1
        self._pid = 0
        self._seen = -1
        self._size = 0

    @property
    def pending(self) -> bool:
        """Whether chats of any worker wait here for the database."""
        try:
            changed = os.stat(self._folder).st_mtime_ns
        except FileNotFoundError:
            return False
        if changed != self._seen:
            self.look()
            self._seen = changed
        return self._size > 0

    @property
    def full(self) -> bool:
        """Whether no new chat should count on room here, as of the last `look`."""
        return self._size >= self._max_bytes - self._max_bytes // _KEPT_FREE

    @property
    def filling(self) -> float:
        """The part of the bound that is taken, 0 to 1, as of the last `look`."""
        return self._size / self._max_bytes

    def look(self) -> None:
        """Find out how much waits here."""
        self._size = sum(_size(path) for path in self._files())

    def append(self, lines: Sequence[bytes]) -> int:
        """Write them as far as there is room and flush them to the disk; how many that were.

        Raises OSError where the disk does not take them: then none is kept.
        """
        self.look()
        room = self._max_bytes - self._size
        count, size = 0, 0
        while count < len(lines) and size + len(lines[count]) <= room:
            size += len(lines[count])
            count += 1
        if count:
            self._write(b"".join(lines[:count]))
            self._size += size
        return count

    def close(self) -> None:
        if self._fd >= 0 and self._pid == os.getpid():
            os.close(self._fd)
        self._fd, self._path = -1, None

    @contextmanager
    def replaying(self) -> Iterator[bool]:
        """Whether it is this process that replays now; another one does where not."""
        try:
            lock = os.open(self._folder / ".replay", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            yield False
            return
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(lock)

    def read(self) -> Reading:
        """All that waits, oldest files first."""
        return Reading(self._files())

    def set_aside(self, spooled: Sequence[Spooled]) -> None:
        """Keep lines that cannot be replayed in a file beside theirs, for a person to look at."""
        for file in {one.file for one in spooled}:
            lines = b"".join(one.line.removesuffix(b"\n") + b"\n" for one in spooled if one.file == file)
            fd = os.open(file.with_suffix(".bad"), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _write_all(fd, lines)
                os.fsync(fd)
            finally:
                os.close(fd)

    def _files(self) -> list[Path]:
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return []
        return [self._folder / name for name in sorted(names) if name.endswith(_SUFFIX)]

    def _write(self, data: bytes) -> None:
        with self._locked() as fd:
            before = os.fstat(fd).st_size
            try:
                _write_all(fd, data)
                os.fsync(fd)
            except OSError:
                # What the disk has of it nobody knows: it goes, and the next lines go to another file.
                self._take_back(fd, before)
                raise

    def _take_back(self, fd: int, size: int) -> None:
        try:
            os.ftruncate(fd, size)
        finally:
            self.close()

    @contextmanager
    def _locked(self) -> Iterator[int]:
        """This process's file, under its lock; a new one where a replay has removed it or a fault befell it."""
        while True:
            fd = self._open()
            fcntl.flock(fd, fcntl.LOCK_EX)
            if self._path is not None and _is_at(fd, self._path):
                break
            self.close()
        try:
            yield fd
        finally:
            if self._fd == fd:
                fcntl.flock(fd, fcntl.LOCK_UN)

    def _open(self) -> int:
        if self._fd < 0 or self._pid != os.getpid():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path = self._folder / f"{new_id()}{_SUFFIX}"
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            self._pid = os.getpid()
            _flush_folder(self._folder)
        return self._fd


class Reading:
    """What waited when it was opened. Each file's lines come in their order, those of several by the chats' ids."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._open: list[tuple[Path, int, int]] = []
        for path in files:
            try:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                continue
            self._open.append((path, fd, _whole_size(fd)))
        self._lines = heapq.merge(*(_lines(*entry) for entry in self._open), key=_id)

    def group(self) -> list[Spooled]:
        """The next of it; nothing at its end."""
        found: list[Spooled] = []
        size = 0
        while len(found) < _GROUP and size < _GROUP_BYTES and (one := next(self._lines, None)) is not None:
            found.append(one)
            size += len(one.line)
        return found

    def remove(self) -> None:
        """All of it is in the database: let the files go that nobody has written to since."""
        for path, fd, size in self._open:
            fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_size == size and _is_at(fd, path):
                path.unlink()
            fcntl.flock(fd, fcntl.LOCK_UN)

    def close(self) -> None:
        for _, fd, _ in self._open:
            os.close(fd)
        self._open = []


def _lines(path: Path, fd: int, size: int) -> Iterator[Spooled]:
    with os.fdopen(os.dup(fd), "rb") as file:
        while file.tell() < size and (line := file.readline()):
            try:
                chat = decode(line)
            except ValueError:
                yield Spooled(path, line, None)
            else:
                yield Spooled(path, line, chat)


def _id(spooled: Spooled) -> str:
    return spooled.chat.row.prompt_id if spooled.chat else ""


def _whole_size(fd: int) -> int:
    """The file's size while nobody writes to it."""
    fcntl.flock(fd, fcntl.LOCK_SH)
    try:
        return os.fstat(fd).st_size
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


def _is_at(fd: int, path: Path) -> bool:
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    here = os.fstat(fd)
    return (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev)


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _flush_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
