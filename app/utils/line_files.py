"""Log files that are written by a native thread, so that a slow disk never holds the loop.

Callers append a line to a list in memory and go on. The thread looks a few times a second: waking it for each line
would make it fight for the interpreter with the loop. Several processes may write one file: lines are appended
whole, and whoever finds the file too large rotates it under a lock.
"""

from __future__ import annotations

import atexit
import fcntl
import os
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gevent import monkey

_PAUSE = 0.1
_MAX_WAITING = 20_000
_MAX_BYTES = 64 * 2**20
_PIECE = 1 << 16


class LineFile:
    """A file of lines that is opened anew where it was renamed, and rotated: name, name.1, … name.keep.

    head: what each file begins with (the names of columns), whichever process makes it.
    """

    def __init__(self, path: Path, max_bytes: int, keep: int, head: bytes = b"") -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._head = head
        self._fd = -1

    def write(self, data: bytes) -> None:
        """Append whole lines. Raises OSError where not all of them could be written."""
        fd = self._current()
        if os.fstat(fd).st_size + len(data) > self._max_bytes:
            self._rotate()
            fd = self._current()
        _write_all(fd, data)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _current(self) -> int:
        if self._fd >= 0 and not self._is_ours():
            self.close()
        if self._fd < 0:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            self._begin(self._fd)
        return self._fd

    def _begin(self, fd: int) -> None:
        """Write the head of a new file. Each process comes by here before its first line: none stands before it."""
        if self._head and os.fstat(fd).st_size == 0:
            with self._locked():
                if os.fstat(fd).st_size == 0:
                    _write_all(fd, self._head)

    def _is_ours(self) -> bool:
        """Whether the name still means the file that is open: logrotate and other workers rename it."""
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return False
        here = os.fstat(self._fd)
        return (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev)

    def _rotate(self) -> None:
        with self._locked():
            if self._is_ours() and os.fstat(self._fd).st_size > len(self._head):
                self._shift()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process at a time, of all that write into this folder."""
        lock = os.open(self._path.with_name(".rotate"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _shift(self) -> None:
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._keep + 1))]
        for older, newer in zip(names[:0:-1], names[-2::-1], strict=True):
            if newer.exists():
                newer.replace(older)
        if self._keep == 0:
            self._path.unlink()


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class StreamSink:
    """An open descriptor, as standard error."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def write(self, data: bytes) -> None:
        _write_all(self._fd, data)

    def close(self) -> None:
        """Nothing: the descriptor is the process's own."""


Sink = LineFile | StreamSink


class LineWriter:
    """The thread and what waits for it. Belongs to the process that made it."""

    def __init__(self) -> None:
        self.lost = 0
        self._waiting: deque[tuple[Sink, bytes]] = deque()
        # Each is written by one thread alone: their difference is what waits.
        self._taken = 0
        self._done = 0
        self._sinks: set[Sink] = set()
        self._closing = False
        self._ended = monkey.get_original("_thread", "allocate_lock")()
        self._ended.acquire()
        self._sleep: Any = monkey.get_original("time", "sleep")
        self._pid = os.getpid()
        monkey.get_original("_thread", "start_new_thread")(self._serve, ())
        atexit.register(self.close)

    def put(self, sink: Sink, line: bytes) -> None:
        """Take a line (with its LF). Never blocks; past a bound in lines or bytes the line is lost and counted."""
        if len(self._waiting) >= _MAX_WAITING or self._taken - self._done > _MAX_BYTES:
            self.lost += 1
        else:
            self._taken += len(line)
            self._waiting.append((sink, line))

    def close(self) -> None:
        """Write what waits, at most 2 s, and end the thread."""
        if self._closing or os.getpid() != self._pid:
            return
        self._closing = True
        self._ended.acquire(True, 2.0)
        atexit.unregister(self.close)

    def _serve(self) -> None:
        try:
            while not self._closing:
                self._sleep(_PAUSE)
                self._flush()
            self._flush()
            for sink in self._sinks:
                sink.close()
        finally:
            self._ended.release()

    def _flush(self) -> None:
        batches: dict[Sink, list[bytes]] = {}
        for _ in range(len(self._waiting)):
            sink, line = self._waiting.popleft()
            batches.setdefault(sink, []).append(line)
        self._sinks.update(batches)
        for sink, lines in batches.items():
            self._write(sink, lines)

    def _write(self, sink: Sink, lines: list[bytes]) -> None:
        while lines:
            count, size = 0, 0
            while count < len(lines) and size < _PIECE:
                size += len(lines[count])
                count += 1
            try:
                sink.write(b"".join(lines[:count]))
            except OSError:
                self.lost += count
            self._done += size
            lines = lines[count:]
