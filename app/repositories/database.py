"""The one way to the database, SQLite or PostgreSQL, for every repository."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import psycopg
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.orm import Session

from app.repositories.faults import STORE_ERRORS, is_conflict, is_lost, translated, unavailable
from app.repositories.postgres import Postgres
from app.repositories.sqlite import Sqlite

T = TypeVar("T")

#: Seconds that a call may take where it names no other: past it the database counts as away.
TIMEOUT: Final = 0.9
_TRIES: Final = 4


class Database:
    """Short transactions over connections that a process opens at its first use, never before a fork.

    url: `sqlite:///path`, `postgresql://…` or `postgres://…`. pool_size: PostgreSQL connections a process.
    timeout: seconds of a call in all, waiting for a connection included.

    The function handed in may run in another thread and more than once: it must return plain values, touch nothing
    but its session, and never call the database again.
    """

    def __init__(self, url: str, *, pool_size: int = 8, timeout: float = TIMEOUT) -> None:
        self.url = parse_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._pool_size = pool_size
        self._timeout = timeout
        self._engine: Postgres | Sqlite | None = None
        self._pid = 0
        self._inherited: list[Postgres | Sqlite] = []

    def read(self, fn: Callable[[Session], T], *, timeout: float | None = None) -> T:
        """What `fn` finds; it must not write. Raises Unavailable while the database is away.

        On SQLite all of it is one snapshot, on PostgreSQL each statement has its own.
        """
        return self._run(self._open().read, fn, timeout)

    def write(self, fn: Callable[[Session], T], *, timeout: float | None = None) -> T:
        """Do `fn` in one transaction, committed when it returns, undone when it raises.

        A transaction undone by the server for the sake of another is done again, at most three times. Raises
        Unavailable while the database is away, and also where nobody knows whether the commit was done. Errors of
        constraints (`sqlalchemy.exc.IntegrityError`) come through.
        """
        return self._run(self._open().write, fn, timeout)

    def write_raw(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """SQLite only: `fn` with the driver's connection, one transaction. Driver errors come through."""
        engine = self._open()
        assert isinstance(engine, Sqlite)
        return engine.write_raw(fn, self._timeout)

    def connect(self) -> psycopg.Connection[Any]:
        """PostgreSQL only: a connection of the caller's own in autocommit, to be closed. Driver errors come through."""
        engine = self._open()
        assert isinstance(engine, Postgres)
        return engine.connect()

    def ping(self) -> None:
        """Raises Unavailable where the database does not answer."""
        engine = self._open()
        self._run(engine.read, lambda session: session.execute(text("SELECT 1")).scalar(), None)
        if isinstance(engine, Sqlite) and not engine.same_file():
            raise unavailable()

    def close(self) -> None:
        """Let go of all connections; the next call opens new ones."""
        engine, self._engine = self._engine, None
        if engine is not None and self._pid == os.getpid():
            engine.close()

    def _open(self) -> Postgres | Sqlite:
        if self._engine is None or self._pid != os.getpid():
            # What a parent opened is neither used nor closed here: closing would end it for the parent.
            if self._engine is not None:
                self._inherited.append(self._engine)
            self._engine = Sqlite(self.url) if self.is_sqlite else Postgres(self.url, self._pool_size)
            self._pid = os.getpid()
        return self._engine

    def _run(
        self, do: Callable[[Callable[[Session], T], float], T], fn: Callable[[Session], T], timeout: float | None
    ) -> T:
        deadline = time.monotonic() + (timeout or self._timeout)
        for left in range(_TRIES - 1, -1, -1):
            try:
                return do(fn, max(0.001, deadline - time.monotonic()))
            except STORE_ERRORS as error:
                # A kept connection that the server closed meanwhile is found out by using it: once more, on a new one.
                again = is_conflict(error) or (is_lost(error) and left == _TRIES - 1)
                if not again or left == 0:
                    raise translated(error) from error
        raise unavailable()


def parse_url(url: str) -> URL:
    """The URL with the driver that serves it. Raises ValueError for another kind of database."""
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend == "sqlite":
        return parsed.set(drivername="sqlite")
    raise ValueError("the database must be SQLite or PostgreSQL")
