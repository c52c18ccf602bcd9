"""Chats that are ending share commits: what waits is written in one transaction, at once when nothing is under way."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from app.domain.errors import InternalError, Unavailable
from app.domain.ledger import SettledChat
from app.repositories import settle_sqlite
from app.repositories.database import Database
from app.repositories.faults import is_away, is_conflict, unavailable
from app.repositories.settle_postgres import PostgresSettler
from app.utils.gather import Gatherer
from app.utils.pools import within

log = logging.getLogger(__name__)

#: Chats of one commit; more make a statement of many MB and let the first wait for the last.
MOST: Final = 256
#: Seconds for one group in all, and after a failure those during which nobody waits for the database again.
TIMEOUT: Final = 0.9
REST: Final = 0.25


class Settler(Protocol):
    def write(self, chats: Sequence[SettledChat]) -> None:
        """Commit them all or none; doing it again writes nothing twice."""

    def reset(self) -> None:
        """Forget the connection."""


class GroupCommit:
    """Makes settled chats durable. One a process; nothing is opened before its first chat."""

    def __init__(self, database: Database, *, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._settler: Settler = _SqliteSettler(database) if database.is_sqlite else PostgresSettler(database.connect)
        self._gatherer = Gatherer(self._commit, MOST)
        self._away_until = 0.0

    def submit(self, chat: SettledChat) -> None:
        """Return once the chat is durable; one that was before writes nothing.

        Raises Unavailable while the database is away (then it may yet have been written, and submitting it again is
        safe) and InternalError for a chat that cannot be stored.
        """
        if self._rests():
            raise unavailable()
        self._gatherer.submit(chat)

    def write(self, chats: Sequence[SettledChat]) -> Mapping[int, Exception]:
        """Make them durable in their order, by whoever alone uses this object; the errors by index, as of `submit`."""
        return self._commit(chats)

    def drain(self, timeout: float) -> bool:
        """Wait until all that was submitted is done; False where that took longer than `timeout` seconds."""
        return self._gatherer.drain(timeout)

    def close(self) -> None:
        self._settler.reset()

    def _commit(self, chats: Sequence[SettledChat]) -> Mapping[int, Exception]:
        errors: dict[int, Exception] = {}
        for indexes in _kinds(chats):
            errors.update(self._commit_kind(chats, indexes))
        return errors

    def _commit_kind(self, chats: Sequence[SettledChat], indexes: list[int]) -> dict[int, Exception]:
        error = self._write([chats[index] for index in indexes])
        if error is None:
            return {}
        if isinstance(error, Unavailable):
            return dict.fromkeys(indexes, error)
        if len(indexes) > 1:
            return self._one_by_one(chats, indexes)
        # A constraint or a deadlock that a neighbour brought in is gone at the second try; a bad value is not.
        error = self._write([chats[indexes[0]]])
        return {indexes[0]: self._named(chats[indexes[0]], error)} if error is not None else {}

    def _one_by_one(self, chats: Sequence[SettledChat], indexes: list[int]) -> dict[int, Exception]:
        errors: dict[int, Exception] = {}
        for index in indexes:
            errors.update(self._commit_kind(chats, [index]))
        return errors

    def _named(self, chat: SettledChat, error: Exception) -> Exception:
        if isinstance(error, Unavailable):
            return error
        if is_conflict(error):
            return unavailable()
        log.error("a chat cannot be stored", exc_info=error, extra={"request_id": chat.row.prompt_id})
        fault = InternalError("This chat could not be stored.")
        fault.__cause__ = error
        return fault

    def _write(self, chats: Sequence[SettledChat]) -> Exception | None:
        """Write them; what went wrong. A connection that broke is replaced once."""
        if self._rests():
            return unavailable()
        try:
            with within(self._timeout, unavailable()):
                self._twice(lambda: self._settler.write(chats))
        except Exception as error:  # noqa: BLE001 - handed to the callers
            if not isinstance(error, Unavailable) and not is_away(error):
                return error
            self._settler.reset()
            self._away_until = time.monotonic() + REST
            away = error if isinstance(error, Unavailable) else unavailable()
            away.__cause__ = None if away is error else error
            return away
        return None

    def _rests(self) -> bool:
        return time.monotonic() < self._away_until

    def _twice(self, write: Callable[[], None]) -> None:
        try:
            write()
        except Exception as error:
            if isinstance(error, Unavailable) or not is_away(error):
                raise
            self._settler.reset()
            write()


class _SqliteSettler:
    def __init__(self, database: Database) -> None:
        self._database = database

    def write(self, chats: Sequence[SettledChat]) -> None:
        self._database.write_raw(lambda connection: settle_sqlite.write(connection, chats))

    def reset(self) -> None:
        """The database keeps the connection."""


def _kinds(chats: Sequence[SettledChat]) -> list[list[int]]:
    """The indexes of those that go on (or keep no conversation) and of those that begin one.

    Apart, since one statement cannot touch a conversation's row twice; beginners first, since others may go on in
    what they begin. One that replaces goes alone.
    """
    beginners: list[int] = []
    others: list[int] = []
    alone: list[list[int]] = []
    for index, chat in enumerate(chats):
        home = chat.conversation
        if home is None:
            others.append(index)
        elif home.replaces:
            alone.append([index])
        else:
            (beginners if home.is_new else others).append(index)
    return [kind for kind in (beginners, others) if kind] + alone
