from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.orm import Session

from app.models import Base
from app.repositories.database import Database
from app.repositories.migrate import FOLDER, MigrationError, at_head, head, upgrade
from tests.stores.sql_support import child


def do(url: str, work: Any) -> Any:
    database = Database(url, timeout=10)
    try:
        return database.write(work)
    finally:
        database.close()


def tables(url: str) -> set[str]:
    return set(do(url, lambda session: inspect(session.connection()).get_table_names()))


def test_the_migrations_make_what_the_models_say(empty_url: str) -> None:
    upgrade(empty_url)

    def differences(session: Session) -> list[Any]:
        return compare_metadata(MigrationContext.configure(session.connection()), Base.metadata)

    assert do(empty_url, differences) == []
    assert set(Base.metadata.tables) < tables(empty_url)


def test_the_newest_revision_is_told_by_its_file_name() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    assert ScriptDirectory.from_config(config).get_heads() == [head()]


def test_a_database_at_head_is_left_alone(empty_url: str) -> None:
    assert upgrade(empty_url) is True
    assert upgrade(empty_url) is False
    database = Database(empty_url)
    assert at_head(database)
    database.close()


def test_a_start_at_head_does_not_import_alembic(sqlite_url: str) -> None:
    code = (
        "import sys; from app.repositories.migrate import upgrade; upgrade(sys.argv[1]);print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, sqlite_url], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_fault_6_8_of_three_that_migrate_at_once_one_does(empty_url: str) -> None:
    command = [sys.executable, "-m", "tests.stores.sql_child", "migrate_at_once", empty_url]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    outputs = [process.communicate(timeout=60) for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], outputs
    assert any(json.loads(out)["did"] for out, _ in outputs)
    assert set(Base.metadata.tables) < tables(empty_url)


def test_fault_6_8_a_migration_killed_halfway_leaves_nothing_and_is_done_later(empty_url: str) -> None:
    child("migrate_and_die", empty_url, code=-9)
    assert tables(empty_url) == set()
    assert upgrade(empty_url) is True
    assert set(Base.metadata.tables) < tables(empty_url)


def test_fault_6_8_a_schema_newer_than_the_code_is_refused(empty_url: str) -> None:
    upgrade(empty_url)
    do(empty_url, lambda session: session.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(MigrationError, match=r"9999.*newer"):
        upgrade(empty_url)
    database = Database(empty_url)
    assert not at_head(database)
    database.close()


def test_fault_6_8_a_migration_that_fails_leaves_the_schema_as_it_was(empty_url: str) -> None:
    do(empty_url, lambda session: session.execute(text("CREATE TABLE messages (mine int)")))
    with pytest.raises(MigrationError, match=r"^Migrating the database failed, it is as it was: .*messages"):
        upgrade(empty_url)
    assert tables(empty_url) == {"messages"}


def test_a_database_that_refuses_stops_the_start_with_a_sentence() -> None:
    with pytest.raises(MigrationError) as fault:
        upgrade("postgresql://postgres:hidden@127.0.0.1:9/none")
    assert "hidden" not in str(fault.value)
    assert str(fault.value).count("\n") == 0


def test_alembic_by_hand_takes_a_url(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'hand.db'}"
    command = [sys.executable, "-m", "alembic", "-c", str(FOLDER / "alembic.ini"), "-x", f"url={url}"]
    subprocess.run([*command, "upgrade", "head"], check=True, capture_output=True, cwd=FOLDER.parent)
    assert set(Base.metadata.tables) < tables(url)
    subprocess.run([*command, "downgrade", "base"], check=True, capture_output=True, cwd=FOLDER.parent)
    assert tables(url) == {"alembic_version"}
