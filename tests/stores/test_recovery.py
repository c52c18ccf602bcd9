"""Room 5.13: what a process had in flight when it died is settled once, by somebody else."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.domain.caller import Bound, Budget, Limits
from app.domain.errors import Unavailable
from app.domain.events import Delta, ToolCallPart
from app.domain.hot import Admission, HotSettlement
from app.domain.money import Price
from app.repositories.database import Database
from app.repositories.group_commit import GroupCommit
from app.services.ledger.journal import Asked, Journal, Left, Opening, left_in
from app.services.ledger.recovery import Recovery
from app.utils.ids import new_id
from tests.stores.sql_support import chat, counts

SLICE = 8
PRICE = Price(1_000_000, 2_000_000, 500_000)
BOUNDS = (Bound("user", "user-1", Limits(60, 1000, 2), Budget(10**9, "month")), Bound("model", "m"))


def opening(**facts: object) -> Opening:
    given_ = Opening(
        prompt_id=new_id(),
        user_id="user-1",
        key_id=None,
        door="app",
        asked=Asked("m", "demo", PRICE),
        created_at=datetime.now(UTC),
        prompt_tokens=10,
        conversation="talk",
        bounds=BOUNDS,
        held_tokens=77,
    )
    return replace(given_, **facts)  # type: ignore[arg-type]


class Heat:
    """Stands for Redis."""

    def __init__(self) -> None:
        self.settled: list[HotSettlement] = []
        self.away = False

    def settle(self, settlement: HotSettlement) -> None:
        if self.away:
            raise Unavailable("away")
        self.settled.append(settlement)


class House:
    def __init__(self, database: Database, folder: Path) -> None:
        self.commits = GroupCommit(database, timeout=10)
        self.heat = Heat()
        self.counted: list[int] = []
        self.journal = Journal(folder, SLICE)
        self.recovery = Recovery(
            self.journal,
            self.commits,  # type: ignore[arg-type]
            self.heat,
            lambda: True,
            self.counted.append,
        )

    def close(self) -> None:
        self.recovery.stop()
        self.journal.close()
        self.commits.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def house(database: Database, folder: Path) -> Iterator[House]:
    house = House(database, folder)
    yield house
    house.close()


def died(folder: Path) -> Journal:
    """The journal of a process that is to die: what it has open stays where it closes."""
    return Journal(folder, SLICE)


def rows(database: Database) -> dict[str, tuple[object, ...]]:
    query = text("SELECT prompt_id, state, prompt_tokens, completion_tokens, charge, lost, model FROM requests")
    return {row[0]: tuple(row[1:]) for row in database.read(lambda session: session.execute(query).all())}


def read(journal: Journal) -> list[Left]:
    assert journal.path is not None
    gevent.sleep(0)  # ends are written at the loop's next turn
    return left_in(journal.path.read_bytes())


def test_a_journal_gives_back_what_has_no_end(folder: Path) -> None:
    journal = Journal(folder, SLICE)
    silent, talking, ended = (journal.begin(opening()) for _ in range(3))
    for _ in range(20):
        talking.flowed(Delta("12345678"))
        ended.flowed(Delta("x"))
    ended.end()
    left = {one.opening.prompt_id: one for one in read(journal)}
    assert set(left) == {silent.prompt_id, talking.prompt_id}
    assert left[silent.prompt_id].usage.total == 0
    told = left[talking.prompt_id].usage
    assert told.prompt == 10
    assert 40 - SLICE <= told.completion <= 40
    assert left[silent.prompt_id].opening.bounds == BOUNDS
    journal.close()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=90), min_size=1, max_size=30))
def test_fault_5_13_progress_is_never_more_than_a_slice_behind(pieces: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), SLICE)
        trail = journal.begin(opening())
        size = 0
        for piece in pieces:
            size += len(piece.encode())
            trail.flowed(Delta(piece))
            (left,) = read(journal)
            assert left.said is not None
            assert size - SLICE * 4 < left.said <= size
        journal.close()


def test_another_attempt_counts_anew_and_bears_what_was_lost(folder: Path) -> None:
    journal = Journal(folder, SLICE)
    trail = journal.begin(opening())
    trail.flowed(Delta(reasoning="thought", tool_calls=(ToolCallPart(0, arguments="{}"),)))
    trail.asks(Asked("other", "groq", None, lost=5, fallback=True))
    (left,) = read(journal)
    assert (left.asked.model, left.asked.lost, left.usage.total) == ("other", 5, 0)
    trail.asks(Asked("whole", "groq", PRICE, begun=True))
    (left,) = read(journal)
    assert (left.usage.prompt, left.usage.completion) == (10, 0)
    journal.close()


@given(st.binary(max_size=300), st.integers(0, 500))
def test_fault_5_13_lines_that_are_cut_or_strange_hide_no_other(noise: bytes, cut: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder), SLICE)
        first, second = journal.begin(opening()), journal.begin(opening())
        assert journal.path is not None
        data = journal.path.read_bytes()
        lines = data.splitlines(keepends=True)
        found = left_in(lines[0] + noise.replace(b"e ", b"") + b"\n" + lines[1][:cut])
        assert first.prompt_id in {one.opening.prompt_id for one in found}
        assert cut >= len(lines[1]) - 1 or second.prompt_id not in {one.opening.prompt_id for one in found}
        journal.close()


def test_a_journal_stays_small_and_keeps_what_is_open(folder: Path) -> None:
    journal = Journal(folder, SLICE)
    stays = journal.begin(opening())
    stays.flowed(Delta("12345678" * 10))
    for _ in range(9000):
        journal.begin(opening()).end()
    assert journal.path is not None
    assert journal.path.stat().st_size < 5 * 2**20
    (left,) = read(journal)
    assert (left.opening.prompt_id, left.said) == (stays.prompt_id, 80)
    stays.end()
    assert journal.path.stat().st_size == 0
    assert list(folder.glob("*.new")) == []
    journal.close()
    assert list(folder.iterdir()) == []


def test_fault_5_13_what_the_dead_left_gets_one_row_and_is_let_go_of(
    database: Database, house: House, folder: Path
) -> None:
    dead = died(folder)
    silent, talking = dead.begin(opening()), dead.begin(opening(conversation=None))
    talking.flowed(Delta("1234" * 30))
    assert house.recovery.run() == 0  # its writer lives
    dead.close()
    assert house.recovery.run() == 2
    assert rows(database) == {
        silent.prompt_id: ("crashed", 0, 0, 0, 0, "m"),
        talking.prompt_id: ("crashed", 10, 30, 10 + 60, 0, "m"),
    }
    assert house.counted == [2]
    assert [(one.prompt_id, one.bounds, one.spent, one.drop) for one in house.heat.settled] == [
        (silent.prompt_id, BOUNDS, 0, True),
        (talking.prompt_id, BOUNDS, 70, True),
    ]
    assert list(folder.iterdir()) == []
    assert house.recovery.run() == 0


def test_fault_5_12_a_row_its_own_process_wrote_stands(database: Database, house: House, folder: Path) -> None:
    dead, whole = died(folder), chat()
    dead.begin(opening(prompt_id=whole.row.prompt_id))
    house.commits.submit(whole)
    dead.close()
    assert house.recovery.run() == 1
    assert counts(database)["requests"] == 1
    assert rows(database)[whole.row.prompt_id][0] == "complete"


def test_fault_5_13_a_worker_that_wakes_finds_its_row_written(database: Database, house: House, folder: Path) -> None:
    paused, late = died(folder), chat()
    paused.begin(opening(prompt_id=late.row.prompt_id))
    paused.close()  # its lock is gone, it is not
    house.recovery.run()
    house.commits.submit(late)
    assert counts(database)["requests"] == 1
    assert rows(database)[late.row.prompt_id][0] == "crashed"


def test_without_redis_the_rows_are_written_and_the_rest_is_done_later(
    database: Database, house: House, folder: Path
) -> None:
    dead = died(folder)
    dead.begin(opening())
    dead.begin(opening())
    dead.close()
    house.heat.away = True
    assert house.recovery.run() == 0
    assert counts(database)["requests"] == 2
    house.heat.away = False
    assert house.recovery.run() == 2
    assert len(house.heat.settled) == 2
    assert counts(database)["requests"] == 2


def test_two_sweepers_settle_a_file_once(database: Database, house: House, folder: Path) -> None:
    dead = died(folder)
    dead.begin(opening())
    dead.close()
    other = House(database, folder)
    other.heat.settle = lambda settlement: house.counted.append(house.recovery.run())  # type: ignore[method-assign]
    assert other.recovery.run() == 1
    assert house.counted == [0]
    assert counts(database)["requests"] == 1
    other.close()


def test_a_journal_written_anew_never_looks_dead(database: Database, house: House, folder: Path) -> None:
    living = Journal(folder, SLICE)
    living.begin(opening())
    assert living.path is not None
    before = living.path.open("rb")
    living._begin_file()
    before.close()
    assert house.recovery.run() == 0
    assert len(read(living)) == 1
    living.close()


def test_fault_5_13_a_killed_process_leaves_its_journal(database: Database, house: House, folder: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from app.services.ledger.journal import Journal;"
        "from app.domain.events import Delta; from tests.stores.test_recovery import opening, SLICE;"
        "trail = Journal(Path(sys.argv[1]), SLICE).begin(opening()); trail.flowed(Delta('1234' * 9));"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(folder)], timeout=30)
    assert done.returncode == -9
    assert house.recovery.run() == 1
    assert [row[:4] for row in rows(database).values()] == [("crashed", 10, 9, 28)]


def asking(prompt_id: str) -> Admission:
    return Admission(prompt_id, "user-1", None, "m", "talk", 1000, bounds=BOUNDS, day=datetime.now(UTC).date())


def test_fault_5_13_killed_between_admission_and_acceptance_leaves_no_row_and_no_place(
    database: Database, house: House, folder: Path
) -> None:
    dead = died(folder)
    asked, accepted, refused = (asking(new_id()) for _ in range(3))
    for one in (asked, accepted, refused):
        dead.intends(one)
    dead.forget(refused.prompt_id)
    dead.begin(opening(prompt_id=accepted.prompt_id))
    dead._begin_file()
    dead.close()
    assert house.recovery.run() == 1
    assert list(rows(database)) == [accepted.prompt_id]
    assert [(one.prompt_id, one.void, one.bounds) for one in house.heat.settled] == [
        (accepted.prompt_id, False, BOUNDS),
        (asked.prompt_id, True, BOUNDS),
    ]
    assert list(folder.iterdir()) == []
