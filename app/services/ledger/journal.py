"""What this process has in flight, in a file that outlives it: who finds the file without its writer settles the rest.

Lines go to the system by plain writes, which a killed process does not take back; nothing is flushed to the disk. The
writer holds the file's lock as long as it lives.
"""

from __future__ import annotations

import fcntl
import logging
import os
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import orjson
from gevent import get_hub

from app.domain.caller import Bound, Budget, Limits
from app.domain.events import Delta, Picture
from app.domain.hot import Admission
from app.domain.money import Price
from app.domain.policies.tokens import BYTES_A_TOKEN, said_bytes
from app.domain.usage import Usage
from app.utils.ids import new_id

log = logging.getLogger(__name__)

SUFFIX: Final = ".journal"
#: Bytes past which a file is emptied where nothing is in flight, and past which it is written anew.
_EMPTIED: Final = 64 * 1024
_ANEW: Final = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Asked:
    """Who answers now. lost: nano-USD of the attempts before; begun: what the prompt costs is owed whatever comes."""

    model: str
    provider: str
    price: Price | None
    lost: int = 0
    begun: bool = False
    fallback: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """An accepted chat: what its row in the ledger and its release in Redis need."""

    prompt_id: str
    user_id: str
    key_id: str | None
    door: str
    asked: Asked
    created_at: datetime
    prompt_tokens: int
    conversation: str | None
    bounds: tuple[Bound, ...]
    held_tokens: int

    @property
    def day(self) -> date:
        return self.created_at.date()


class Trail:
    """One chat's lines. Ends with `end`, or never."""

    __slots__ = ("_journal", "_next", "_slice", "_told", "opening", "prompt_id", "size")

    def __init__(self, journal: Journal, opening: Opening, slice_bytes: int) -> None:
        self._journal = journal
        self._slice = slice_bytes
        self._next = 0
        self._told = b""
        self.prompt_id = opening.prompt_id
        self.size = 0
        self.opening = b"a %b\n" % orjson.dumps(opening)

    def asks(self, asked: Asked) -> None:
        """Another attempt begins."""
        self.size = self._next = 0
        self._told = b"m %b %b\n" % (self.prompt_id.encode(), orjson.dumps(asked))
        self._journal.write(self._told)

    def flowed(self, delta: Delta | Picture) -> None:
        """Count a piece of the answer; each slice is told."""
        self.size += said_bytes(delta)
        if self.size >= self._next:
            self._next = self.size + self._slice
            self._journal.write(self._progress())

    def end(self) -> None:
        """Its row is durable and Redis knows, or it was refused before it was accepted."""
        self._journal.ended(self)

    def lines(self) -> bytes:
        """All that is to be known of it."""
        return self.opening + self._told + (self._progress() if self._next else b"")

    def _progress(self) -> bytes:
        return b"p %b %d\n" % (self.prompt_id.encode(), self.size)


@dataclass(frozen=True, slots=True)
class Intent:
    """A chat that Redis may have admitted and that was not accepted yet: there is no row, but something to end."""

    prompt_id: str
    user_id: str
    key_id: str | None
    conversation: str | None
    bounds: tuple[Bound, ...]
    day: date


class Journal:
    """folder: made at the first chat. slice_tokens: of output, after which progress is told."""

    def __init__(self, folder: Path, slice_tokens: int) -> None:
        self.folder = folder
        self._slice = slice_tokens * BYTES_A_TOKEN
        self._open: dict[str, Trail] = {}
        self._intents: dict[str, bytes] = {}
        self._path: Path | None = None
        self._fd = -1
        self._pid = 0
        self._size = 0
        self._failed = False
        self._ends: list[bytes] = []

    @property
    def path(self) -> Path | None:
        """This process's own file, None before its first chat."""
        return self._path if self._pid == os.getpid() else None

    def intends(self, asked: Admission) -> None:
        """Redis is about to be asked to let this chat in."""
        intent = Intent(asked.prompt_id, asked.user_id, asked.key_id, asked.conversation, asked.bounds, asked.day)
        line = b"h %b\n" % orjson.dumps(intent)
        self.write(line)
        self._intents[asked.prompt_id] = line

    def forget(self, prompt_id: str) -> None:
        """It was not let in, or not accepted, and Redis holds nothing of it any more."""
        if self._intents.pop(prompt_id, None) is not None:
            self.write(b"e %b\n" % prompt_id.encode())

    def begin(self, opening: Opening) -> Trail:
        """A chat was accepted."""
        trail = Trail(self, opening, self._slice)
        self.write(trail.opening)
        self._intents.pop(trail.prompt_id, None)
        self._open[trail.prompt_id] = trail
        return trail

    def ended(self, trail: Trail) -> None:
        self._open.pop(trail.prompt_id, None)
        if not (self._open or self._intents) and self._size > _EMPTIED and self._fd >= 0:
            os.ftruncate(self._fd, 0)
            self._size, self._ends = 0, []
        else:
            self._write_soon(b"e %b\n" % trail.prompt_id.encode())

    def _write_soon(self, line: bytes) -> None:
        """Append a line at the loop's next turn, with those of all chats that end in this one: an end that is not told
        costs a sweep that finds the row written."""
        if not self._ends:
            get_hub().loop.run_callback(self._write_ends)
        self._ends.append(line)

    def _write_ends(self) -> None:
        ends, self._ends = self._ends, []
        if ends:
            self.write(b"".join(ends))

    def write(self, line: bytes) -> None:
        """Append a line. A disk that fails is told of and holds no chat up."""
        try:
            if self._fd < 0 or self._pid != os.getpid() or self._is_large():
                self._begin_file()
            # After a line that may be cut short the next one begins on its own.
            written = os.write(self._fd, b"\n" + line if self._failed else line)
        except OSError:
            if not self._failed:
                log.exception("ALARM: the journal cannot be written; a crash would now cost rows")
            self._failed = True
        else:
            self._failed = written < len(line)
            self._size += written

    def close(self) -> None:
        """Leave; what is still in flight is settled by who finds the file."""
        if self._fd < 0 or self._pid != os.getpid():
            return
        self._write_ends()
        if not (self._open or self._intents) and self._path is not None:
            self._path.unlink(missing_ok=True)
        os.close(self._fd)
        self._fd, self._path = -1, None

    def _is_large(self) -> bool:
        return self._size > _ANEW and self._size > 4 * sum(len(trail.opening) for trail in self._open.values())

    def _begin_file(self) -> None:
        """A file of one's own with what is in flight; it bears its name once it is locked and whole."""
        if self._pid != os.getpid():
            self._open, self._intents, self._ends, self._path = {}, {}, [], None
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path or self.folder / f"{new_id()}{SUFFIX}"
        new = path.with_suffix(".new")
        fd = os.open(new, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            live = b"".join([*self._intents.values(), *(trail.lines() for trail in self._open.values())])
            _write_all(fd, live)
            new.replace(path)
        except BaseException:
            os.close(fd)
            raise
        if self._fd >= 0 and self._pid == os.getpid():
            os.close(self._fd)
        self._fd, self._path, self._pid, self._size = fd, path, os.getpid(), len(live)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


@dataclass(frozen=True, slots=True)
class Left:
    """A chat that its process never ended. said: bytes of output that its last line told of, None for nothing yet."""

    opening: Opening
    asked: Asked
    said: int | None

    @property
    def usage(self) -> Usage:
        if self.said is None and not self.asked.begun:
            return Usage(source="counted")
        return Usage(self.opening.prompt_tokens, -(-(self.said or 0) // BYTES_A_TOKEN), source="counted")


def left_in(data: bytes) -> list[Left]:
    """The chats of a file that have no end. A line that is cut or strange says nothing."""
    found: dict[str, Left] = {}
    for line in data.split(b"\n"):
        try:
            _read(line, found)
        except (ValueError, KeyError, TypeError):
            log.debug("a line of a journal cannot be read")
    return list(found.values())


def intended_in(data: bytes) -> list[Intent]:
    """The chats of a file that were neither accepted nor let go of."""
    found: dict[str, Intent] = {}
    for line in data.split(b"\n"):
        kind, rest = line[:2], line[2:]
        try:
            if kind == b"h ":
                intent = _intent(orjson.loads(rest))
                found[intent.prompt_id] = intent
            elif kind == b"a ":
                found.pop(orjson.loads(rest)["prompt_id"], None)
            elif kind == b"e ":
                found.pop(rest.decode("ascii"), None)
        except (ValueError, KeyError, TypeError):
            log.debug("a line of a journal cannot be read")
    return list(found.values())


def _read(line: bytes, found: dict[str, Left]) -> None:
    kind, rest = line[:2], line[2:]
    if kind == b"a ":
        opening = _opening(orjson.loads(rest))
        found[opening.prompt_id] = Left(opening, opening.asked, None)
        return
    name, _, value = rest.partition(b" ")
    prompt_id = name.decode("ascii")
    if kind == b"e ":
        found.pop(prompt_id, None)
    elif kind == b"p ":
        left = found[prompt_id]
        found[prompt_id] = Left(left.opening, left.asked, int(value))
    elif kind == b"m ":
        found[prompt_id] = Left(found[prompt_id].opening, _asked(orjson.loads(value)), None)


def _intent(told: dict[str, Any]) -> Intent:
    bounds = tuple(_bound(bound) for bound in told["bounds"])
    return Intent(**{**told, "bounds": bounds, "day": date.fromisoformat(told["day"])})


def _opening(told: dict[str, Any]) -> Opening:
    return Opening(
        **{
            **told,
            "asked": _asked(told["asked"]),
            "created_at": datetime.fromisoformat(told["created_at"]),
            "bounds": tuple(_bound(bound) for bound in told["bounds"]),
        }
    )


def _asked(told: dict[str, Any]) -> Asked:
    price = told["price"]
    return Asked(**{**told, "price": None if price is None else Price(**price)})


def _bound(told: dict[str, Any]) -> Bound:
    budget = told["budget"]
    return Bound(**{**told, "limits": Limits(**told["limits"]), "budget": None if budget is None else Budget(**budget)})
