"""SQLite off the loop: one thread that writes, a few that read, each with connections kept open."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from app.repositories import histograms
from app.repositories.faults import unavailable
from app.repositories.values import json_text, refuse_unstorable
from app.utils.pools import ThreadLane, within

T = TypeVar("T")

#: Of a call's time the part in which it must have the lock; the rest is for the work, so that what is told as
#: undone is undone.
LOCK_SHARE = 0.7
READERS = 3


class Sqlite:
    """One process's connections to one file. A file that vanished or was changed for another is not made anew."""

    def __init__(self, url: URL) -> None:
        if not url.database or url.database == ":memory:":
            raise ValueError("a SQLite database needs a file")
        self._path = os.path.abspath(url.database)
        self._inode: int | None = None
        self._reader = _Side(self._connect, READERS, "BEGIN")
        self._writer = _Side(self._connect, 1, "BEGIN IMMEDIATE", ready=self.same_file)

    def read(self, fn: Callable[[Session], T], timeout: float) -> T:
        return self._reader.run(lambda connection: _in_session(connection, fn, commit=False), timeout)

    def write(self, fn: Callable[[Session], T], timeout: float) -> T:
        return self._writer.run(lambda connection: _in_session(connection, fn), timeout)

    def write_raw(self, fn: Callable[[sqlite3.Connection], T], timeout: float) -> T:
        """`fn` with the driver's own connection, in one transaction in the writer's thread."""

        return self._writer.run(lambda connection: _in_transaction(_driver(connection), fn), timeout)

    def close(self) -> None:
        self._reader.close()
        self._writer.close()

    def _connect(self) -> sqlite3.Connection:
        # "rwc" only for the first connection: what is deleted under our feet must not come back empty.
        mode = "rwc" if self._inode is None else "rw"
        quoted = self._path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        connection = sqlite3.connect(
            f"file:{quoted}?mode={mode}", uri=True, timeout=0.5, isolation_level=None, check_same_thread=False
        )
        inode = os.stat(self._path).st_ino
        if self._inode is None:
            self._inode = inode
        if self._inode != inode:
            connection.close()
            raise sqlite3.DatabaseError("the database file was changed for another")
        connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;")
        # SQLite's own lower() knows only ASCII.
        connection.create_function("lower", 1, _lower, deterministic=True)
        histograms.teach(connection)
        return connection

    def same_file(self) -> bool:
        """Whether the path still leads to the file that is open here."""
        try:
            return self._inode is None or os.stat(self._path).st_ino == self._inode
        except OSError:
            return False


class _Side:
    """The threads of one kind, and the connections they share: as many as threads, each used by one at a time.

    ready: whether work may begin. SQLite itself writes on into a file that was deleted, and nobody reads it again.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        threads: int,
        begin: str,
        ready: Callable[[], bool] = lambda: True,
    ) -> None:
        self._ready = ready
        self._lane = ThreadLane(threads)
        self._idle: deque[Connection] = deque()
        self._engine = _engine(connect, begin)

    def run(self, work: Callable[[Connection], T], timeout: float) -> T:
        lock_by = time.monotonic() + timeout * LOCK_SHARE
        with within(timeout, unavailable()):
            return self._lane.run(lambda: self._once(work, lock_by))

    def _once(self, work: Callable[[Connection], T], lock_by: float) -> T:
        patience = int((lock_by - time.monotonic()) * 1000)
        if patience <= 0 or not self._ready():
            raise unavailable()
        connection = self._idle.pop() if self._idle else self._engine.connect()
        try:
            _driver(connection).execute(f"PRAGMA busy_timeout={patience}")
            return work(connection)
        except (DBAPIError, sqlite3.Error) as error:
            if not isinstance(error, IntegrityError | sqlite3.IntegrityError):
                connection.invalidate()
            raise
        finally:
            self._put_back(connection)

    def _put_back(self, connection: Connection) -> None:
        if connection.invalidated:
            connection.close()
        else:
            self._idle.append(connection)

    def close(self) -> None:
        self._lane.close()
        while self._idle:
            self._idle.pop().close()


def _engine(connect: Callable[[], sqlite3.Connection], begin: str) -> Engine:
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, json_serializer=json_text)
    # The driver's own BEGIN is a deferred one: it fails at once where another process wrote since its first read.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    refuse_unstorable(engine)
    return engine


def _in_session(connection: Connection, fn: Callable[[Session], T], commit: bool = True) -> T:
    with Session(connection, expire_on_commit=False) as session:
        value = fn(session)
        if commit:
            session.commit()
        return value


def _in_transaction(driver: sqlite3.Connection, fn: Callable[[sqlite3.Connection], T]) -> T:
    driver.execute("BEGIN IMMEDIATE")
    try:
        value = fn(driver)
        driver.execute("COMMIT")
    except BaseException:
        if driver.in_transaction:
            driver.rollback()
        raise
    return value


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def _lower(text: str | None) -> str | None:
    return None if text is None else text.lower()
