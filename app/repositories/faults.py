"""What the drivers raise, in our words. One place, for both engines."""

from __future__ import annotations

import sqlite3
from typing import Final

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InvalidatePoolError
from sqlalchemy.exc import TimeoutError as PoolFull

from app.domain.errors import DomainError, InvalidRequest, Unavailable

#: What leaves SQLAlchemy when the database cannot do its part, a full pool among it.
STORE_ERRORS: Final = (DBAPIError, InvalidatePoolError, PoolFull)

_TRY_AGAIN: Final = frozenset({"40001", "40P01"})
#: SQLSTATE classes and codes that say "the database cannot now" and nothing of our statement: connections, resources,
#: a read-only server, an operator's intervention, the system's own errors.
_AWAY: Final = ("08", "53", "57", "58", "25006", "XX")
_WRONG_STATEMENT: Final = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_RANGE})


def unavailable() -> Unavailable:
    """One sentence for every way in which the database can be away; the cause is in `__cause__`."""
    return Unavailable("The database cannot be reached now.", retry_after=1.0)


def is_conflict(error: BaseException) -> bool:
    """Whether the server undid the transaction for the sake of another one and would take it again."""
    return _state(error) in _TRY_AGAIN


def is_lost(error: BaseException) -> bool:
    """Whether the connection was gone, so that nothing of an uncommitted transaction was done."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def translated(error: BaseException) -> Exception:
    """The error to raise in place of a driver's.

    Unavailable, also for a transaction that was undone for others too often; InvalidRequest for a value that no column
    holds; itself where it is the repository's to understand (a broken constraint) or a bug (a wrong statement).
    """
    if isinstance(error, DomainError | IntegrityError):
        return error
    if isinstance(error, DataError | OverflowError):
        return InvalidRequest("A value is too large, or not one that can be stored.")
    if is_away(error) or is_conflict(error):
        return unavailable()
    return error if isinstance(error, Exception) else unavailable()


def is_away(error: BaseException) -> bool:
    """Whether the error says that the database cannot serve now, and nothing of what it was asked."""
    if isinstance(error, InvalidatePoolError | PoolFull) or is_lost(error):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        return not isinstance(cause, sqlite3.IntegrityError) and code not in _WRONG_STATEMENT
    state = _state(error)
    if state is not None:
        return state.startswith(_AWAY)
    return type(cause).__name__ in ("OperationalError", "InterfaceError", "ConnectionTimeout")


def _state(error: BaseException) -> str | None:
    cause = error.orig if isinstance(error, DBAPIError) else error
    return getattr(cause, "sqlstate", None)
