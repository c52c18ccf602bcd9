from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.domain.errors import InvalidRequest, Unavailable
from app.models.chat import Conversation
from app.models.secrets import SecretFingerprint
from app.repositories.database import Database
from app.repositories.group_commit import GroupCommit
from app.repositories.migrate import MigrationError, at_head, upgrade
from app.utils.clock import utcnow
from tests.stores.sql_support import Between, chat, child, new_postgres


def secret(name: str = "a", fingerprint: Any = "x", **more: Any) -> SecretFingerprint:
    return SecretFingerprint(**{"name": name, "fingerprint": fingerprint, "updated_at": utcnow(), **more})


def names(database: Database) -> list[str]:
    return database.read(lambda s: list(s.scalars(select(SecretFingerprint.name).order_by(SecretFingerprint.name))))


def test_a_write_is_there_for_the_next_read(database: Database) -> None:
    database.write(lambda session: session.add(secret("a")))
    assert names(database) == ["a"]


def test_a_write_that_raises_leaves_nothing(database: Database) -> None:
    def work(session: Session) -> None:
        session.add(secret("a"))
        session.flush()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        database.write(work)
    assert names(database) == []


def test_a_broken_constraint_is_the_repositorys_to_understand(database: Database) -> None:
    database.write(lambda session: session.add(secret("a")))
    with pytest.raises(IntegrityError):
        database.write(lambda session: session.add(secret("a")))
    assert names(database) == ["a"]


def test_a_read_writes_nothing(database: Database) -> None:
    database.read(lambda session: session.add(secret("a")))
    assert names(database) == []


@pytest.mark.parametrize("url", ["mysql://localhost/x", "sqlite://", "sqlite:///:memory:"])
def test_other_databases_are_refused(url: str) -> None:
    with pytest.raises(ValueError):
        Database(url).ping()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_every_usual_scheme_of_postgresql_is_taken(postgres_url: str, scheme: str) -> None:
    database = Database(postgres_url.replace("postgresql", scheme, 1))
    database.ping()
    database.close()


@pytest.mark.parametrize("value", ["a\x00b", "a\ud800b", 2**63, -(2**63) - 1, float("nan")])
def test_fault_6_5_a_value_that_one_engine_refuses_is_refused_by_both(database: Database, value: Any) -> None:
    with pytest.raises(InvalidRequest):
        database.read(lambda session: session.execute(text("SELECT :value"), {"value": value}))
    with pytest.raises(InvalidRequest):
        database.write(lambda session: session.execute(text("DELETE FROM secrets WHERE name = :v"), {"v": value}))


def test_fault_6_5_a_naive_time_is_refused_by_both(database: Database) -> None:
    with pytest.raises(Exception, match="naive datetime"):
        database.write(lambda session: session.add(secret("a", updated_at=datetime(2026, 1, 1))))
    assert names(database) == []


def test_fault_6_5_a_text_of_a_megabyte_comes_back(database: Database) -> None:
    title = "ü" * 2**20
    at = utcnow()
    made = {"id": "c", "user_id": "u", "public_id": "p", "title": title, "created_at": at, "updated_at": at}
    database.write(lambda session: session.add(Conversation(**made)))
    assert database.read(lambda session: session.scalar(select(Conversation.title))) == title


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_fault_6_2_a_transaction_undone_for_another_is_done_again_three_times(postgres_url: str, state: str) -> None:
    database, tries = Database(postgres_url, timeout=10), []

    def work(session: Session, good_after: int) -> int:
        session.add(secret(f"try {len(tries)}"))
        session.flush()
        tries.append(1)
        if len(tries) <= good_after:
            session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$"))
        return len(tries)

    assert database.write(lambda session: work(session, 3)) == 4
    assert names(database) == ["try 3"]
    database.write(lambda session: session.execute(text("DELETE FROM secrets")))
    tries.clear()
    with pytest.raises(Unavailable):
        database.write(lambda session: work(session, 99))
    assert len(tries) == 4
    assert names(database) == []
    database.close()


@pytest.fixture
def own_postgres() -> Iterator[str]:
    """A database of one test: PostgreSQL counts deadlocks by database, and others assert that they make none."""
    with new_postgres() as url:
        upgrade(url)
        yield url


def test_fault_6_2_a_deadlock_ends_with_both_done(own_postgres: str) -> None:
    database = Database(own_postgres, timeout=20)
    database.write(lambda session: session.add_all([secret("a"), secret("b")]))
    both_hold_one, errors = threading.Barrier(2), []

    def work(order: str) -> None:
        first_try = []

        def cross(session: Session) -> None:
            session.execute(text("SET LOCAL deadlock_timeout = '50ms'"))
            for name in order:
                touch = text("UPDATE secrets SET fingerprint = fingerprint || :by WHERE name = :name")
                session.execute(touch, {"by": order[0], "name": name})
                if not first_try:
                    first_try.append(1)
                    both_hold_one.wait(10)

        try:
            database.write(cross)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(order,)) for order in ("ab", "ba")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    marks = database.read(lambda session: list(session.scalars(select(SecretFingerprint.fingerprint))))
    assert sorted(map(sorted, marks)) == [["a", "b", "x"], ["a", "b", "x"]]
    database.close()


@pytest.mark.parametrize("state", ["53300", "53100", "25006", "57014", "57P01", "58030", "08006"])
def test_fault_6_2_a_database_that_cannot_now_is_unavailable(postgres_url: str, state: str) -> None:
    database, tries = Database(postgres_url), []

    def work(session: Session) -> None:
        tries.append(1)
        session.add(secret("a"))
        session.flush()
        session.execute(text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$"))

    with pytest.raises(Unavailable):
        database.write(work)
    assert len(tries) <= 2
    assert names(database) == []
    database.close()


def test_fault_6_2_a_commit_whose_reply_is_lost_is_not_done_again(postgres_url: str) -> None:
    between = Between(postgres_url)
    database, truth = Database(between.url, timeout=10), Database(postgres_url)
    database.ping()
    tries = []

    def work(session: Session) -> None:
        tries.append(1)
        session.add(secret(f"try {len(tries)}"))

    between.cut(b"COMMIT\x00")
    with pytest.raises(Unavailable):
        database.write(work)
    assert (between.cuts, len(tries)) == (1, 1)
    assert names(truth) == ["try 1"]
    database.ping()
    for one in (database, truth, between):
        one.close()


def test_a_connection_that_the_server_ended_is_replaced_in_silence(postgres_url: str) -> None:
    database, killer = Database(postgres_url), Database(postgres_url)
    end = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = :n")
    for use in (database.ping, lambda: database.write(lambda session: session.add(secret("a")))):
        database.ping()
        killer.write(lambda session: session.execute(end, {"n": database.url.database}))
        use()
    assert names(database) == ["a"]
    database.close()
    killer.close()


@pytest.mark.parametrize("where", ["refused", "black hole"])
def test_fault_6_1_without_a_database_a_call_is_told_so_within_a_second(where: str) -> None:
    found = child("calls_without_database", where)
    assert found["errors"] == {"Unavailable": 12}
    assert found["longest"] <= 1.0
    assert found["gap"] <= 0.25


def test_fault_6_1_a_slow_database_costs_a_second_and_no_connection(postgres_url: str) -> None:
    found = child("slow_database", postgres_url)
    assert found["errors"] == {"Unavailable": 16}
    assert found["longest"] <= 1.05
    assert found["gap"] <= 0.25
    assert found["after"][1] is None


def test_postgresql_is_waited_for_without_holding_the_loop(postgres_url: str) -> None:
    found = child("waiting_in_the_greenlet", postgres_url)
    assert found["gap"] <= 0.2
    assert found["seconds"] <= 2


def test_fault_6_4_a_deleted_file_is_not_made_anew(sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    database = Database(sqlite_url)
    commits = GroupCommit(database)
    commits.submit(chat())
    for name in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        name.unlink()
    with pytest.raises(Unavailable):
        commits.submit(chat())
    for use in (database.ping, lambda: database.write(lambda session: session.add(secret()))):
        with pytest.raises(Unavailable):
            use()
    assert not path.exists()
    database.close()


def test_fault_6_4_a_damaged_file_is_told_and_left_as_it_is(sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    with sqlite3.connect(path) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'requests'").fetchone()[0]
        size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(size))
    before = path.read_bytes()
    database = Database(sqlite_url)
    with pytest.raises(Unavailable):
        GroupCommit(database).submit(chat())
    with pytest.raises(Unavailable):
        database.read(lambda session: session.execute(text("SELECT charge FROM requests")).all())
    database.close()
    assert path.read_bytes() == before


def test_fault_6_4_a_cut_log_costs_no_commit_before_the_cut(sqlite_url: str, tmp_path: Path) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    database = Database(sqlite_url)
    database.write(lambda session: session.add(secret("first")))
    whole = os.path.getsize(f"{path}-wal")
    database.write(lambda session: session.add(secret("second")))
    shutil.copy(path, tmp_path / "copy.db")
    log = Path(f"{path}-wal").read_bytes()
    (tmp_path / "copy.db-wal").write_bytes(log[: (whole + len(log)) // 2])
    database.close()
    copy = Database(f"sqlite:///{tmp_path / 'copy.db'}")
    assert names(copy) == ["first"]
    copy.write(lambda session: session.add(secret("third")))
    assert names(copy) == ["first", "third"]
    copy.close()


@pytest.mark.parametrize("what", ["no folder", "a folder", "another file"])
def test_fault_6_4_a_file_that_cannot_serve_stops_the_start(tmp_path: Path, what: str) -> None:
    path = tmp_path / "app.db"
    if what == "no folder":
        path = tmp_path / "missing" / "app.db"
    elif what == "a folder":
        path.mkdir()
    else:
        path.write_bytes(b"this is no database, but somebody's letter" * 100)
    with pytest.raises(MigrationError, match=r"^The database cannot be reached or written .*\.$"):
        upgrade(f"sqlite:///{path}")
    if what == "another file":
        assert path.read_bytes().startswith(b"this is no database")


def test_fault_6_4_a_full_disk_is_unavailable_until_there_is_room(sqlite_url: str) -> None:
    found = child("disk_full", sqlite_url)
    assert found["errors"] == ["Unavailable"]
    assert (found["read"], found["after"]) == (1, 2)


def test_fault_6_10_workers_share_no_connection_with_their_parent(database_url: str) -> None:
    found = child("forked", database_url)
    used = [*found["parent"], *(name for worker in found["workers"] for name in worker)]
    assert len(used) == len(set(used)) == 3
    assert found["requests"] == 4


def test_nothing_is_opened_before_the_first_use(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/app.db")
    GroupCommit(database)
    assert list(tmp_path.iterdir()) == []


def test_letter_case_is_folded_beyond_ascii_on_both(database: Database) -> None:
    assert database.read(lambda session: session.scalar(text("SELECT lower('ÄÖÉЖ')"))) == "äöéж"


def test_a_schema_that_is_missing_is_not_at_head(empty_url: str) -> None:
    database = Database(empty_url)
    assert not at_head(database)
    database.close()
