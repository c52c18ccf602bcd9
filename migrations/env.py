"""Runs the migrations over the connection that is handed in, or at the URL of `-x url=` or of the settings.

Logging is left as it is: Alembic's `fileConfig` would silence the server that migrates at its start.
"""

import os
from pathlib import Path
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from app.models import Base
from app.models.base import UtcDateTime
from app.repositories.database import Database

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    handed: Connection | None = context.config.attributes.get("connection")
    if handed is not None:
        _run(handed)
        return
    database = Database(_url())
    try:
        database.write(_in_session, timeout=600)
    finally:
        database.close()


def _url() -> str:
    given = context.get_x_argument(as_dictionary=True).get("url")
    if given:
        return given
    from app.settings import Settings

    return Settings.load(os.environ, ROOT / ".env", ROOT).database_url


def _in_session(session: Session) -> None:
    _run(session.connection())


def _run(connection: Connection) -> None:
    # The transaction is the caller's, on both engines: a migration that is killed halfway leaves nothing.
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
        render_item=_render,
        compare_type=True,
    )
    context.run_migrations()


def _render(kind: str, thing: Any, autogen: Any) -> str | Literal[False]:
    """A revision stands for itself: it imports nothing of ours, whose types may change after it."""
    if kind == "type" and isinstance(thing, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


main()
