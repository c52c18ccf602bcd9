"""What was made of a file, kept for a while under a key: small files in a folder that never grows past its bound."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import orjson

KEPT_SECONDS = 6 * 3600
OWNER_DIGITS = 16


class SeenFolder:
    """Blocking; for a thread. Any number of processes may share the folder. A record is an object of JSON values and
    the bytes that belong to it; what cannot be read counts as not there.

    max_bytes: of all records together; the oldest go first.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._written = 0

    def get(self, key: str) -> tuple[dict[str, Any], list[bytes]] | None:
        """key: hexadecimal digits, the first OWNER_DIGITS of them its owner's."""
        path = self._folder / key
        try:
            if path.stat().st_mtime < time.time() - KEPT_SECONDS:
                return None
            raw = path.read_bytes()
        except OSError:
            return None
        return _read(raw)

    def put(self, key: str, record: dict[str, Any], blobs: list[bytes]) -> None:
        """Raises OSError where the disk has no room."""
        head = orjson.dumps({"record": record, "sizes": [len(blob) for blob in blobs]})
        raw = b"".join([len(head).to_bytes(4, "big"), head, *blobs])
        if len(raw) > self._max_bytes // 4:
            return
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        half = self._folder / f"{key}.{os.getpid()}.part"
        try:
            half.write_bytes(raw)
            half.replace(self._folder / key)
        finally:
            half.unlink(missing_ok=True)
        self._written += len(raw)
        if self._written > self._max_bytes // 8:
            self._written = 0
            self.sweep()

    def forget(self, owner: str) -> None:
        """Remove all of this owner's. owner: the first digits of their keys."""
        for path in self._folder.glob(f"{owner[:OWNER_DIGITS]}*"):
            path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what is too old, and the oldest of what is too much."""
        found = []
        for path in self._folder.glob("*"):
            try:
                facts = path.stat()
            except FileNotFoundError:
                continue  # another process was quicker
            found.append((facts.st_mtime, facts.st_size, path))
        left, oldest = self._max_bytes, time.time() - KEPT_SECONDS
        for written, size, path in sorted(found, key=lambda one: one[0], reverse=True):
            left -= size
            if written < oldest or left < 0:
                path.unlink(missing_ok=True)


def _read(raw: bytes) -> tuple[dict[str, Any], list[bytes]] | None:
    end = 4 + int.from_bytes(raw[:4], "big")
    try:
        head = orjson.loads(raw[4:end])
        sizes, record = head["sizes"], head["record"]
    except (ValueError, KeyError, TypeError):
        return None
    blobs = []
    for size in sizes:
        blobs.append(raw[end : end + size])
        end += size
    return (record, blobs) if end == len(raw) else None
