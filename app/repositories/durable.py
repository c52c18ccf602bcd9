"""Where a chat that ended is kept: in the database, or while that is away in the spool, from which it gets there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

import gevent

from app.domain.errors import InternalError, Unavailable
from app.domain.ledger import SettledChat
from app.repositories.group_commit import GroupCommit
from app.repositories.spool import Spool, Spooled
from app.repositories.spool_codec import encode
from app.utils.gather import Gatherer
from app.utils.pools import ThreadLane

log = logging.getLogger(__name__)

#: Lines that share one flush to the disk.
_MOST: Final = 256
#: Seconds between two looks at what waits.
EVERY: Final = 0.5


class DurableCommits:
    """Group commit first, the spool where the database is away."""

    def __init__(self, commits: GroupCommit, spool: Spool) -> None:
        self._commits = commits
        self._spool = spool
        self._lane = ThreadLane(1)
        self._gatherer = Gatherer(self._keep, _MOST)
        self._refused = False
        self._alarmed = False
        self.away = False

    @property
    def full(self) -> bool:
        """Whether no new chat should be accepted: its row might find no room."""
        return self._spool.full or self._refused

    def submit(self, chat: SettledChat) -> bool:
        """Return once the chat is durable: True where it waits in the spool. One that was before writes nothing.

        Raises Unavailable where neither takes it, and InternalError for a chat that cannot be stored.
        """
        if chat.conversation is not None and self._spool.pending:
            if chat.conversation.replaces:
                return self._spooled(chat)  # behind what it replaces
            chat = beginning(chat)
        try:
            self._commits.submit(chat)
        except Unavailable:
            self.away = True
            return self._spooled(chat)
        self.away = False
        return False

    @property
    def pending(self) -> bool:
        """Whether rows of any worker of this machine still wait for the database."""
        return self._spool.pending

    def look(self) -> None:
        """Have another look at the room that is left; what the disk refused may be taken now."""
        self._spool.look()
        self._refused = False
        self._alarm()

    def drain(self, timeout: float) -> bool:
        """Wait until all that was submitted is kept; False where that took longer than `timeout` seconds."""
        return self._commits.drain(timeout) and self._gatherer.drain(timeout)

    def close(self) -> None:
        self._commits.close()
        self._lane.close()
        self._spool.close()

    def _spooled(self, chat: SettledChat) -> bool:
        self._gatherer.submit(chat)
        return True

    def _alarm(self) -> None:
        """Tell once that half the room is taken, whichever worker took it; again after it was free in between."""
        filling = self._spool.filling
        if filling >= 0.5 and not self._alarmed:
            log.error("ALARM: the spool is half full: the database has been away for long")
        self._alarmed = filling >= (0.25 if self._alarmed else 0.5)

    def _keep(self, chats: Sequence[SettledChat]) -> Mapping[int, Exception]:
        lines, errors = _encoded(chats)
        try:
            kept = self._lane.run(lambda: self._spool.append(list(lines.values())))
        except OSError:
            log.exception("ALARM: the spool cannot be written")
            self._refused, kept = True, 0
        lost = list(lines)[kept:]
        self._alarm()
        if lost:
            log.error("ALARM: %d chats that ended found no room in the spool", len(lost))
        return {**errors, **dict.fromkeys(lost, Unavailable("Neither database nor disk takes this now."))}


def _encoded(chats: Sequence[SettledChat]) -> tuple[dict[int, bytes], dict[int, Exception]]:
    lines: dict[int, bytes] = {}
    errors: dict[int, Exception] = {}
    for index, chat in enumerate(chats):
        try:
            lines[index] = encode(chat)
        except TypeError:
            log.exception("a chat cannot be stored", extra={"request_id": chat.row.prompt_id})
            errors[index] = InternalError("This chat could not be stored.")
    return lines, errors


def beginning(chat: SettledChat) -> SettledChat:
    """The chat as one that begins its conversation where the database does not know that yet.

    The chat that did begin it may still wait in a spool; a conversation that was deleted stays away all the same.
    """
    if chat.conversation is None or chat.conversation.is_new:
        return chat
    return replace(chat, conversation=replace(chat.conversation, is_new=True))


class Replay:
    """Brings the spool of all workers to the database once it is back. One a process; one works at a time.

    commits: with a connection of its own. forget: told the user and public id of each conversation that got more in
        SQL than who reads it there may have seen; may raise Unavailable.
    """

    def __init__(self, spool: Spool, commits: GroupCommit, forget: Callable[[str, str], None]) -> None:
        self._spool = spool
        self._commits = commits
        self._forget = forget
        self._lane = ThreadLane(1)
        self._loop: gevent.Greenlet | None = None

    def start(self, durable: DurableCommits) -> None:
        """Begin to look, in the process that serves."""
        self._loop = gevent.spawn(self._forever, durable)

    def stop(self) -> None:
        if self._loop is not None:
            self._loop.kill()
        self._commits.close()
        self._lane.close()

    def run(self) -> int:
        """Bring over what waits; how many chats that were. Raises Unavailable while the database is away, and
        OSError where the disk fails. Killed and repeated it brings nothing twice."""
        if not self._spool.pending:
            return 0
        with self._spool.replaying() as ours:
            return self._all() if ours else 0

    def _forever(self, durable: DurableCommits) -> None:
        while True:
            try:
                durable.look()
                brought = self.run()
                if brought:
                    log.warning("%d chats were brought from the spool to the database", brought)
            except Unavailable:
                pass  # it is still away
            except Exception:
                log.exception("ALARM: the spool cannot be replayed")  # it must go on trying
            gevent.sleep(EVERY)

    def _all(self) -> int:
        reading = self._lane.run(self._spool.read)
        brought = 0
        bad: list[Spooled] = []
        try:
            while group := self._lane.run(reading.group):
                brought += self._bring(group, bad)
            # Once, at the end: a replay that breaks off begins again with the same lines.
            if bad:
                log.error("ALARM: %d lines of the spool are damaged or refused; see the .bad file", len(bad))
                self._lane.run(lambda: self._spool.set_aside(bad))
            self._lane.run(reading.remove)
        finally:
            reading.close()
        self._spool.look()
        return brought

    def _bring(self, group: Sequence[Spooled], bad: list[Spooled]) -> int:
        """Write them; how many that were. Those that cannot be are put among the bad."""
        whole = [one for one in group if one.chat is not None]
        chats = [beginning(one.chat) for one in whole if one.chat is not None]
        errors = self._commits.write(chats) if chats else {}
        for error in errors.values():
            if isinstance(error, Unavailable):
                raise error
        bad += [one for one in group if one.chat is None] + [whole[index] for index in errors]
        self._tell(chats)
        return len(chats) - len(errors)

    def _tell(self, chats: Sequence[SettledChat]) -> None:
        for user_id, public_id in {(c.conversation.user_id, c.conversation.public_id) for c in chats if c.conversation}:
            with suppress(Unavailable):  # who is told keeps it in mind
                self._forget(user_id, public_id)
