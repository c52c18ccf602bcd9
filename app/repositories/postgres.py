"""PostgreSQL, in the greenlet that asks: psycopg waits in Python where gevent is patched."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import psycopg
from sqlalchemy import URL, create_engine
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import QueuePool

from app.repositories.faults import is_lost, unavailable
from app.repositories.values import json_text, refuse_unstorable
from app.utils.pools import within

T = TypeVar("T")

#: Seconds. libpq takes less than 2 for 2; under gevent the limit of the whole call is shorter and bites first.
CONNECT_TIMEOUT = 2


class Postgres:
    """One process's connections. Those of a pool are made at need and kept; one the server closed is made anew."""

    def __init__(self, url: URL, pool_size: int) -> None:
        self._url = url.set(drivername="postgresql+psycopg")
        self._engine = create_engine(
            self._url,
            poolclass=QueuePool,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=30,
            use_native_hstore=False,
            json_serializer=json_text,
            connect_args={"connect_timeout": CONNECT_TIMEOUT, "application_name": "onedoor"},
        )
        refuse_unstorable(self._engine)
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)
        # Each statement of a read sees what is committed when it begins, in a transaction or not: one trip, not three.
        self._reads = sessionmaker(self._engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False)

    def read(self, fn: Callable[[Session], T], timeout: float) -> T:
        with within(timeout, unavailable()), self._reads() as session:
            return fn(session)

    def write(self, fn: Callable[[Session], T], timeout: float) -> T:
        with within(timeout, unavailable()), self._sessions() as session:
            value = fn(session)
            session.flush()
            _commit(session)
            return value

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A connection of the caller's own, in autocommit, outside the pool."""
        url = self._url.set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_TIMEOUT, application_name="onedoor")

    def close(self) -> None:
        self._engine.dispose()


def _commit(session: Session) -> None:
    try:
        session.commit()
    except Exception as error:
        if is_lost(error):
            # Nobody knows whether it was stored: doing it again could do it twice.
            raise unavailable() from error
        raise
