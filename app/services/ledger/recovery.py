"""Settles what processes had in flight that are no more."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import gevent

from app.domain.errors import InternalError, Unavailable
from app.domain.hot import HotSettlement
from app.domain.ledger import LedgerRow, SettledChat
from app.services.ledger.journal import SUFFIX, Intent, Journal, Left, intended_in, left_in
from app.services.ledger.ledger import Commits, Hot
from app.services.ledger.treasury import never_was
from app.utils.pools import ThreadLane

log = logging.getLogger(__name__)

#: Seconds between two looks for files without a writer.
EVERY: Final = 2.0


class Recovery:
    """One a process; each file is settled by one of them.

    ready: whether a row that a dead process had settled itself cannot still be on its way to the database. recovered:
        told how many chats were settled.
    """

    def __init__(
        self,
        journal: Journal,
        commits: Commits,
        hot: Hot,
        ready: Callable[[], bool],
        recovered: Callable[[int], None] = lambda chats: None,
    ) -> None:
        self._journal = journal
        self._commits = commits
        self._hot = hot
        self._ready = ready
        self._recovered = recovered
        self._written: set[str] = set()
        self._lane = ThreadLane(1)
        self._loop: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin to look, in the process that serves."""
        self._loop = gevent.spawn(self._forever)

    def stop(self) -> None:
        if self._loop is not None:
            self._loop.kill()
        self._lane.close()

    def run(self) -> int:
        """Settle what the dead left; how many chats that were.

        What Redis could not be told stays for the next time. Raises Unavailable where no row can be kept: then all
        does, and nothing is settled twice.
        """
        settled = 0
        for path in self._others():
            with _orphaned(path) as fd:
                if fd is not None:
                    settled += self._settle(path, fd)
        return settled

    def _forever(self) -> None:
        while True:
            try:
                if self._ready():
                    self.run()
            except Unavailable:
                pass  # a store is away; the files stay
            except Exception:
                log.exception("ALARM: what a dead process had in flight cannot be settled")  # must go on trying
            gevent.sleep(EVERY)

    def _others(self) -> list[Path]:
        folder = self._journal.folder
        try:
            names = sorted(os.listdir(folder))
        except FileNotFoundError:
            return []
        own = self._journal.path
        return [folder / name for name in names if name.endswith(SUFFIX) and folder / name != own]

    def _settle(self, path: Path, fd: int) -> int:
        died = datetime.fromtimestamp(os.fstat(fd).st_mtime, UTC)
        chats, intents = self._lane.run(lambda: _left_behind(fd))
        rows = [crashed(left, died) for left in chats]
        for row in rows:
            self._write(row)
        try:
            for left, row in zip(chats, rows, strict=True):
                self._hot.settle(_release(left, row))
            for intent in intents:
                self._hot.settle(never_was(intent))
        except Unavailable:
            return 0  # the rows are there; once Redis is back it is told too
        path.unlink()
        self._written.clear()
        if chats:
            log.warning("%d chats of a process that died were settled", len(chats))
            self._recovered(len(chats))
        return len(chats)

    def _write(self, row: LedgerRow) -> None:
        """Where its own process had written it, that row stands and this one is nothing."""
        if row.prompt_id in self._written:
            return
        try:
            self._commits.submit(SettledChat(row, ()))
        except InternalError:
            log.exception("ALARM: a crashed chat cannot be stored", extra={"request_id": row.prompt_id})
        self._written.add(row.prompt_id)


def crashed(left: Left, died: datetime) -> LedgerRow:
    """The row of a chat whose process died then, charged what the provider had sent."""
    opening, asked, usage = left.opening, left.asked, left.usage
    price = asked.price
    return LedgerRow(
        prompt_id=opening.prompt_id,
        user_id=opening.user_id,
        key_id=opening.key_id,
        door=opening.door,
        model=asked.model,
        provider=asked.provider,
        state="crashed",
        usage=usage,
        charge=price.charge(usage.prompt, usage.completion) if price else None,
        price=price,
        cached=False,
        fallback=asked.fallback,
        skipped_chunks=0,
        ttft_ms=None,
        latency_ms=max(0, int((died - opening.created_at).total_seconds() * 1000)),
        created_at=opening.created_at,
        lost=asked.lost,
    )


def _release(left: Left, row: LedgerRow) -> HotSettlement:
    """Its exchange may have reached SQL without the window: that is thrown away."""
    opening = left.opening
    return HotSettlement(
        prompt_id=row.prompt_id,
        user_id=row.user_id,
        key_id=row.key_id,
        conversation=opening.conversation,
        drop=True,
        bounds=opening.bounds,
        held_tokens=opening.held_tokens,
        used_tokens=row.usage.total,
        spent=(row.charge or 0) + row.lost,
        day=opening.day,
    )


@contextmanager
def _orphaned(path: Path) -> Iterator[int | None]:
    """The open file, where nobody writes to it any more and nobody else settles it."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield fd if _is_ours(fd, path) else None
    finally:
        os.close(fd)


def _is_ours(fd: int, path: Path) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its writer may have put another file in its place, or somebody may have settled it, since it was opened.
        there, here = os.stat(path), os.fstat(fd)
    except (BlockingIOError, FileNotFoundError):
        return False
    return (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev)


def _left_behind(fd: int) -> tuple[list[Left], list[Intent]]:
    """What a journal tells of chats without an end; a large one is parsed where it does not hold the loop."""
    with os.fdopen(os.dup(fd), "rb") as file:
        data = file.read()
    return left_in(data), intended_in(data)
