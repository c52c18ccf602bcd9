"""Brings a database to the schema of this code, once, however many processes start at the same time."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from app.domain.errors import DomainError
from app.repositories.database import Database

FOLDER: Final = Path(__file__).resolve().parent.parent.parent / "migrations"
#: Seconds for all migrations, the wait for another process that migrates included.
PATIENCE: Final = 600.0
#: The number of the lock that whoever migrates holds on PostgreSQL. SQLite's write lock serves by itself.
LOCK: Final = 0x0_5E_D0_0E
_REVISION: Final = re.compile(r"\d{4}(?=_\w+\.py$)")


class MigrationError(Exception):
    """Why this database cannot be served, in one sentence for whoever starts the server."""


def upgrade(url: str) -> bool:
    """Migrate to this code's schema; whether there was anything to do. A bare look where there is not.

    Creates a SQLite file that does not exist. Raises MigrationError where the schema is newer than this code, the
    database cannot be reached or written, or a migration failed, which leaves the schema as it was.
    """
    database = Database(url)
    try:
        if _found(database) == head():
            return False
        database.write(_migrate, timeout=PATIENCE)
    except MigrationError:
        raise
    except DomainError as error:
        cause = f" ({_one_line(error.__cause__)})" if error.__cause__ else ""
        raise MigrationError(f"The database cannot be reached or written{cause}.") from error
    except Exception as error:
        raise MigrationError(f"Migrating the database failed, it is as it was: {_one_line(error)}") from error
    finally:
        database.close()
    return True


def at_head(database: Database) -> bool:
    """Whether the schema is this code's. Raises Unavailable."""
    return _version(database) == head()


@cache
def head() -> str:
    """The newest revision of this code, by the file names: Alembic itself takes 0.8 s to import."""
    return max(_revisions())


def _revisions() -> set[str]:
    found = (_REVISION.match(path.name) for path in (FOLDER / "versions").iterdir())
    return {match.group() for match in found if match}


def _found(database: Database) -> str | None:
    version = _version(database)
    _refuse_newer(version)
    return version


def _refuse_newer(version: str | None) -> None:
    if version is not None and version not in _revisions():
        raise MigrationError(
            f"The database has the schema {version}, which this version of the program does not know (its own is"
            f" {head()}): start a newer version of it."
        )


def _version(database: Database) -> str | None:
    return database.read(_version_in, timeout=10)


def _version_in(session: Session) -> str | None:
    if not inspect(session.connection()).has_table("alembic_version"):
        return None
    version: str | None = session.scalar(text("SELECT version_num FROM alembic_version"))
    return version


def _migrate(session: Session) -> None:
    from alembic import command
    from alembic.config import Config

    connection = session.connection()
    if connection.dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    _refuse_newer(_version_in(session))
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _one_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
