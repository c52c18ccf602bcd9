"""Room 6.6: what the database missed waits on disk and gets there, each chat once."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import gevent
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import InternalError, Unavailable
from app.domain.ledger import SettledChat
from app.repositories.conversations import Conversations
from app.repositories.database import Database
from app.repositories.durable import DurableCommits, Replay
from app.repositories.group_commit import GroupCommit
from app.repositories.spool import Spool
from app.repositories.spool_codec import decode, encode
from app.utils.ids import new_id
from tests.stores.sql_support import chat, counts

MB = 2**20


class Nowhere:
    """A group commit whose database is away until it is told otherwise."""

    def __init__(self, commits: GroupCommit) -> None:
        self.commits = commits
        self.away = True

    def submit(self, one: SettledChat) -> None:
        if self.away:
            raise Unavailable("away")
        self.commits.submit(one)

    def drain(self, timeout: float) -> bool:
        return self.commits.drain(timeout)

    def close(self) -> None:
        self.commits.close()


class House:
    """One worker's way to the database, with a switch."""

    def __init__(self, database: Database, folder: Path, max_bytes: int = MB) -> None:
        self.spool = Spool(folder, max_bytes)
        self.database = Nowhere(GroupCommit(database, timeout=10))
        self.durable = DurableCommits(self.database, self.spool)  # type: ignore[arg-type]
        self.forgotten: list[tuple[str, str]] = []
        self.replay = Replay(
            self.spool, GroupCommit(database, timeout=10), lambda user, home: self.forgotten.append((user, home))
        )

    def close(self) -> None:
        self.replay.stop()
        self.durable.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def house(database: Database, folder: Path) -> Iterator[House]:
    house = House(database, folder)
    yield house
    house.close()


def files(folder: Path, kind: str = "spool") -> list[Path]:
    return sorted(folder.glob(f"*.{kind}"))


def test_a_line_gives_back_the_chat_it_was_made_from() -> None:
    for one in (chat(), chat("c1", new=True), chat("c1", replaces=new_id(), price=None, charge=None, ttft_ms=None)):
        assert decode(encode(one)) == one


@given(st.data())
def test_fault_6_06_no_damaged_line_is_taken_for_a_whole_one(data: st.DataObject) -> None:
    line = bytearray(encode(chat("c1", new=True)))
    if data.draw(st.booleans()):
        line = line[: data.draw(st.integers(0, len(line) - 2))]
    else:
        line[data.draw(st.integers(0, len(line) - 2))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ValueError):
        decode(bytes(line))


def test_fault_6_01_chats_end_well_without_a_database_and_are_brought_to_it_once(
    database: Database, house: House, folder: Path
) -> None:
    begin, more, alone = chat("c1", new=True), chat("c1"), chat()
    assert [house.durable.submit(one) for one in (begin, more, alone)] == [True] * 3
    assert house.durable.away
    assert counts(database)["requests"] == 0
    assert house.replay.run() == 3
    assert counts(database) == {"requests": 3, "attempts": 6, "messages": 4, "counted": 4, "live": 1}
    assert files(folder) == []
    assert house.forgotten == [("user-1", "public-c1")]
    assert house.replay.run() == 0
    house.database.away = False
    assert house.durable.submit(chat("c1")) is False
    assert not house.durable.away


def test_chats_that_end_together_share_one_flush(house: House, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushes: list[int] = []
    fsync = os.fsync
    house.durable.submit(chat())
    monkeypatch.setattr(os, "fsync", lambda fd: (flushes.append(fd), fsync(fd))[1])
    gevent.joinall([gevent.spawn(house.durable.submit, chat()) for _ in range(40)], timeout=10, raise_error=True)
    assert len(flushes) <= 3
    assert len(files(folder)[0].read_bytes().splitlines()) == 41


def test_what_goes_on_before_its_beginning_was_replayed_loses_no_message(
    database: Database, house: House, folder: Path
) -> None:
    begin, first = chat("c1", new=True, question="how it began"), chat("c1", question="and then")
    house.durable.submit(begin)
    house.database.away = False
    assert house.durable.submit(first) is False
    assert house.replay.run() == 1
    found = Conversations(database).window("user-1", "public-c1", 10)
    assert found == ("c1", (*begin.messages, *first.messages))


def test_of_two_workers_files_the_follower_may_be_read_first(database: Database, folder: Path) -> None:
    begin, more = chat("c1", new=True), chat("c1")
    workers = [House(database, folder), House(database, folder)]
    workers[0].durable.submit(more)
    workers[1].durable.submit(begin)
    assert workers[1].replay.run() == 2
    assert Conversations(database).window("user-1", "public-c1", 10) == ("c1", (*begin.messages, *more.messages))
    assert files(folder) == []
    workers[0].durable.submit(chat("c1"))
    assert workers[1].replay.run() == 1
    for worker in workers:
        worker.close()


def test_an_answer_given_again_waits_behind_the_one_it_replaces(database: Database, house: House) -> None:
    first, second = chat("c1", new=True), chat("c1")
    instead = chat("c1", replaces=second.row.prompt_id)
    house.durable.submit(first)
    house.durable.submit(second)
    house.database.away = False
    assert house.durable.submit(instead) is True
    assert house.replay.run() == 3
    assert Conversations(database).window("user-1", "public-c1", 10) == ("c1", (*first.messages, *instead.messages))


def test_a_conversation_deleted_while_its_chat_waited_stays_away(database: Database, house: House) -> None:
    house.database.away = False
    house.durable.submit(chat("c1", new=True))
    house.database.away = True
    house.durable.submit(chat("c1"))
    assert Conversations(database).delete("user-1", "public-c1", datetime.now(UTC))
    assert house.replay.run() == 1
    assert Conversations(database).window("user-1", "public-c1", 10) is None
    assert counts(database)["requests"] == 2


def test_fault_5_12_the_spool_replays_a_row_that_was_committed(database: Database, house: House) -> None:
    one = chat("c1", new=True)
    house.database.commits.submit(one)
    house.durable.submit(one)
    house.durable.submit(one)
    house.replay.run()
    assert counts(database) == {"requests": 1, "attempts": 2, "messages": 2, "counted": 2, "live": 1}


def test_fault_6_06_damaged_lines_are_set_aside_and_the_others_kept(
    database: Database, house: House, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5):
        house.durable.submit(chat())
    path = files(folder)[0]
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"complete"', b'"stalled"')
    path.write_bytes(b"".join(lines)[:-20])
    assert house.replay.run() == 3
    assert counts(database)["requests"] == 3
    assert files(folder) == []
    aside = files(folder, "bad")[0].read_bytes()
    assert aside == lines[2] + lines[4][:-20] + b"\n"
    assert "ALARM" in caplog.text


def test_fault_6_06_a_chat_the_database_refuses_is_set_aside(database: Database, house: House, folder: Path) -> None:
    wrong = chat("c1", new=True, question="nul \x00")
    for one in (chat(), wrong, chat()):
        house.durable.submit(one)
    assert house.replay.run() == 2
    assert decode(files(folder, "bad")[0].read_bytes()) == wrong


def test_fault_6_06_a_replay_that_was_killed_is_repeated_without_harm(
    database: Database, house: House, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chats = [chat("c1", new=n == 0) for n in range(300)]
    for one in chats:
        house.spool.append([encode(one)])
    write, done = house.replay._commits.write, []

    def killed(group: list[SettledChat]) -> object:
        if done:
            raise gevent.GreenletExit
        done.append(group)
        return write(group)

    monkeypatch.setattr(house.replay._commits, "write", killed)
    with pytest.raises(gevent.GreenletExit):
        house.replay.run()
    assert counts(database)["requests"] == 256
    monkeypatch.undo()
    assert house.replay.run() == 300
    assert counts(database) == {"requests": 300, "attempts": 600, "messages": 600, "counted": 600, "live": 1}
    assert files(folder) == []


def test_fault_6_06_two_workers_never_replay_at_once(database: Database, house: House, folder: Path) -> None:
    house.durable.submit(chat())
    other = os.open(folder / ".replay", os.O_RDWR | os.O_CREAT)
    fcntl.flock(other, fcntl.LOCK_EX)
    assert house.replay.run() == 0
    assert counts(database)["requests"] == 0
    os.close(other)
    assert house.replay.run() == 1


def test_what_is_written_during_a_replay_stays(database: Database, house: House, folder: Path) -> None:
    house.durable.submit(chat())
    reading = house.spool.read()
    assert len(reading.group()) == 1
    house.durable.submit(chat())
    reading.remove()
    reading.close()
    assert house.replay.run() == 2
    assert files(folder) == []


def test_fault_6_06_a_full_spool_takes_no_new_chats_but_those_it_counted_on(
    database: Database, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    size = len(encode(chat()))
    house = House(database, folder, max_bytes=40 * size)
    for _ in range(19):
        house.durable.submit(chat())
    assert "half full" not in caplog.text
    house.durable.submit(chat())
    assert caplog.text.count("half full") == 1
    while not house.durable.full:
        house.durable.submit(chat())
    house.durable.submit(chat())  # one that was accepted before
    while house.spool.filling < 39 / 40:
        house.durable.submit(chat())
    with pytest.raises(Unavailable):
        house.durable.submit(chat("c1", question="too long " * 1000))
    kept = len(files(folder)[0].read_bytes().splitlines())
    assert house.replay.run() == kept
    assert not house.durable.full
    assert house.durable.submit(chat()) is True
    house.close()


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_fault_6_06_a_disk_that_fails_keeps_nothing_half(
    database: Database, house: House, folder: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.durable.submit(chat())
    whole = files(folder)[0].read_bytes()
    do, failed = getattr(os, call), []

    def fail(fd: int, *args: bytes) -> int:
        if not failed and os.readlink(f"/proc/self/fd/{fd}").endswith(".spool"):
            failed.append(do(fd, *(data[: len(data) // 2] for data in args)))
            raise OSError(28, "No space left on device")
        return do(fd, *args)  # type: ignore[no-any-return]

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(Unavailable):
        house.durable.submit(chat())
    assert files(folder)[0].read_bytes() == whole
    assert house.durable.full
    house.durable.look()
    assert not house.durable.full
    assert house.durable.submit(chat()) is True
    assert house.replay.run() == 2
    assert counts(database)["requests"] == 2


def test_a_chat_that_no_line_holds_is_told_so(house: House) -> None:
    with pytest.raises(InternalError):
        house.durable.submit(replace(chat(), row=replace(chat().row, model="\ud800")))
