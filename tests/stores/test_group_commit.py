from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import gevent
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain.errors import InternalError, Unavailable
from app.repositories.conversations import Conversations
from app.repositories.database import Database
from app.repositories.group_commit import GroupCommit
from app.repositories.requests import Requests
from app.utils.ids import new_id
from tests.stores.sql_support import Between, chat, child, counts

KEPT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"))


@pytest.fixture
def commits(database: Database) -> Iterator[GroupCommit]:
    commits = GroupCommit(database, timeout=10)
    yield commits
    commits.close()


def together(commits: GroupCommit, *chats: Any) -> list[BaseException | None]:
    """Submit them so that they share one commit; the error of each."""
    greenlets = [gevent.spawn(commits.submit, one) for one in chats]
    gevent.joinall(greenlets, timeout=30)
    return [greenlet.exception for greenlet in greenlets]


def test_what_was_submitted_is_there_as_it_was_given(database: Database, commits: GroupCommit) -> None:
    given_ = chat("c1", new=True, state="stalled", key_id="key-1")
    commits.submit(given_)
    receipt = Requests(database).receipt("user-1", given_.row.prompt_id)
    assert receipt is not None
    assert receipt.row == given_.row
    assert receipt.attempts == given_.attempts
    assert Conversations(database).window("user-1", "public-c1", 10) == ("c1", given_.messages)


def test_a_request_without_conversation_leaves_its_row_and_attempts_alone(
    database: Database, commits: GroupCommit
) -> None:
    commits.submit(chat(charge=None, price=None, ttft_ms=None))
    assert counts(database) == {"requests": 1, "attempts": 2, "messages": 0, "counted": 0, "live": 0}


def test_chats_that_wait_share_one_commit(database: Database, commits: GroupCommit) -> None:
    sizes: list[int] = []
    write = commits._settler.write
    commits._settler.write = lambda chats: (sizes.append(len(chats)), write(chats))[1]  # type: ignore[method-assign]
    assert together(commits, *(chat() for _ in range(40))) == [None] * 40
    assert counts(database)["requests"] == 40
    assert len(sizes) <= 2
    assert commits.drain(1)


def test_fault_5_12_a_chat_that_is_settled_twice_is_stored_once(database: Database, commits: GroupCommit) -> None:
    begin = chat("c1", new=True)
    more = chat("c1")
    for one in (begin, more, begin, more):
        commits.submit(one)
    assert together(commits, more, begin, chat("c1"), more) == [None] * 4
    assert counts(database) == {"requests": 3, "attempts": 6, "messages": 6, "counted": 6, "live": 1}


def test_fault_5_12_two_workers_settle_one_chat_at_once(database: Database, database_url: str) -> None:
    for _ in range(5):
        one = chat(new_id(), new=True)
        at_once(database_url, 3, lambda commits, _, one=one: commits.submit(one))
    assert counts(database) == {"requests": 5, "attempts": 10, "messages": 10, "counted": 10, "live": 5}


def test_fault_5_12_a_commit_whose_reply_was_lost_is_done_once(postgres_url: str) -> None:
    between = Between(postgres_url)
    commits = GroupCommit(Database(between.url), timeout=10)
    database = Database(postgres_url)
    for kind in ("begin", "go on"):
        commits._settler.reset()
        between.cut(b"INSERT INTO requests")
        commits.submit(chat("c1", new=kind == "begin"))
    assert between.cuts == 2
    assert counts(database) == {"requests": 2, "attempts": 4, "messages": 4, "counted": 4, "live": 1}
    commits.close()
    database.close()
    between.close()


def test_a_replayed_chat_does_not_bring_back_what_was_replaced(database: Database, commits: GroupCommit) -> None:
    first, second = chat("c1", new=True), chat("c1", question="again?")
    instead = chat("c1", question="once more", replaces=second.row.prompt_id)
    for one in (first, second, instead, second, instead):
        commits.submit(one)
    found = Conversations(database).window("user-1", "public-c1", 10)
    assert found == ("c1", (*first.messages, *instead.messages))
    assert counts(database) == {"requests": 3, "attempts": 6, "messages": 4, "counted": 4, "live": 1}


def test_replacing_takes_all_that_came_after_too(database: Database, commits: GroupCommit) -> None:
    said = [chat("c1", new=n == 0) for n in range(4)]
    for one in said:
        commits.submit(one)
    instead = chat("c1", replaces=said[1].row.prompt_id)
    later = chat("c1")
    assert together(commits, later, instead) == [None, None]
    found = Conversations(database).window("user-1", "public-c1", 100)
    assert found is not None
    assert found[1] == (*said[0].messages, *instead.messages, *later.messages)
    assert counts(database)["counted"] == 6


def test_fault_6_11_messages_at_once_stand_each_question_beside_its_answer(
    database: Database, database_url: str
) -> None:
    """Three workers begin the same conversation and go on in it at the same time."""
    for turn in range(5):
        chats = [chat(new_id(), new=True, public_id=f"s{turn}", question=f"q{n}", answer=f"a{n}") for n in range(9)]

        def work(commits: GroupCommit, worker: int, chats: list[Any] = chats) -> None:
            mine = chats[worker::3]
            assert together(commits, *mine[:2]) == [None, None]
            commits.submit(mine[2])

        at_once(database_url, 3, work)
        found = Conversations(database).window("user-1", f"s{turn}", 100)
        assert found is not None
        contents = [message.content for message in found[1]]
        assert contents == [part for n in range(9) for part in (f"q{n}", f"a{n}")]
    assert counts(database) == {"requests": 45, "attempts": 90, "messages": 90, "counted": 90, "live": 5}


def test_fault_6_11_one_begins_and_another_goes_on_in_one_commit(database: Database, commits: GroupCommit) -> None:
    commits.submit(chat("c1", new=True))
    late = chat("c2", new=True, public_id="public-c1")
    assert together(commits, late, chat("c1"), chat("c1")) == [None] * 3
    assert counts(database) == {"requests": 4, "attempts": 8, "messages": 8, "counted": 8, "live": 1}


@pytest.mark.parametrize("new", [False, True])
def test_fault_6_11_deletion_during_a_stream_wins(database: Database, commits: GroupCommit, new: bool) -> None:
    commits.submit(chat("c1", new=True))
    streaming = chat("c1", new=new)
    Conversations(database).delete("user-1", "public-c1", datetime.now(UTC))
    commits.submit(streaming)
    assert Requests(database).receipt("user-1", streaming.row.prompt_id) is not None
    assert counts(database) == {"requests": 2, "attempts": 4, "messages": 0, "counted": 0, "live": 0}


def test_a_name_of_a_deleted_session_may_be_taken_anew(database: Database, commits: GroupCommit) -> None:
    commits.submit(chat("c1", new=True, public_id="work"))
    before = chat("c1", public_id="work")
    overtaken = chat("c8", new=True, public_id="work")
    Conversations(database).delete("user-1", "work", datetime.now(UTC))
    again = chat("c2", new=True, public_id="work", created_at=datetime.now(UTC) + timedelta(milliseconds=1))
    commits.submit(again)
    for late in (before, overtaken):
        commits.submit(late)
    assert Conversations(database).window("user-1", "work", 10) == ("c2", again.messages)


def test_nobody_writes_into_another_users_conversation(database: Database, commits: GroupCommit) -> None:
    mine = chat("c1", new=True)
    commits.submit(mine)
    theirs = chat("c1", user_id="user-2")
    commits.submit(theirs)
    assert Conversations(database).window("user-1", "public-c1", 10) == ("c1", mine.messages)
    assert counts(database)["messages"] == 2


BAD: dict[str, dict[str, Any]] = {
    "NUL": {"question": "a\x00b"},
    "surrogate": {"answer": "a\ud800b"},
    "too large a number": {"charge": 2**63},
    "naive time": {"created_at": datetime(2026, 1, 1)},
}


@pytest.mark.parametrize("fault", BAD)
def test_fault_6_5_a_chat_that_cannot_be_stored_fails_alone(
    database: Database, commits: GroupCommit, fault: str
) -> None:
    good = [chat("c1", new=True), chat(), chat("c2", new=True)]
    errors = together(commits, good[0], chat("bad", new=True, **BAD[fault]), *good[1:])
    assert isinstance(errors.pop(1), InternalError)
    assert errors == [None] * 3
    assert counts(database) == {"requests": 3, "attempts": 6, "messages": 4, "counted": 4, "live": 2}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=KEPT, answer=KEPT, title=KEPT)
def test_any_text_comes_back_as_it_was(
    database: Database, commits: GroupCommit, question: str, answer: str, title: str
) -> None:
    one = chat(new_id(), new=True, question=question, answer=answer)
    assert one.conversation is not None
    one = replace(one, conversation=replace(one.conversation, title=title))
    commits.submit(one)
    public_id = one.conversation.public_id if one.conversation else ""
    found = Conversations(database).window("user-1", public_id, 2)
    assert found is not None
    assert found[1] == one.messages
    assert Conversations(database).get("user-1", public_id).title == title


def test_the_order_of_submission_does_not_change_the_outcome(database: Database, commits: GroupCommit) -> None:
    said = [chat("c1", new=True, question=f"q{n}") for n in range(12)]
    shuffled = random.Random(7).sample(said, len(said))
    assert together(commits, *shuffled) == [None] * 12
    found = Conversations(database).window("user-1", "public-c1", 100)
    assert found is not None
    assert [m.content for m in found[1] if m.role == "user"] == [f"q{n}" for n in range(12)]


def test_a_caller_who_is_killed_takes_nobody_along(database: Database, commits: GroupCommit) -> None:
    gone, stays = gevent.spawn(commits.submit, chat()), gevent.spawn(commits.submit, chat())
    gevent.sleep(0)
    gone.kill()
    stays.get(timeout=10)
    assert commits.drain(5)
    assert counts(database)["requests"] == 2


@pytest.mark.parametrize("how", ["terminated", "restarted while idle"])
def test_fault_6_1_connections_that_the_server_ended_are_replaced(postgres_url: str, how: str) -> None:
    assert child("ended_connections", postgres_url, how) == {"errors": 0, "requests": 60}


@pytest.mark.parametrize("where", ["refused", "black hole"])
def test_fault_6_1_without_a_database_a_chat_is_told_so_within_a_second(where: str) -> None:
    found = child("group_without_database", where)
    assert found["errors"] == {"Unavailable": 20}
    assert found["longest"] <= 1.1
    assert found["gap"] <= 0.25


def test_fault_6_3_another_process_holds_the_lock(sqlite_url: str) -> None:
    found = child("locked_out", sqlite_url)
    assert found["errors"] == ["Unavailable", "Unavailable"]
    assert found["longest"] <= 1.1
    assert found["gap"] <= 0.25
    assert found["read_meanwhile"] <= 0.25
    assert found["after"] == {"requests": 2}


def test_unavailable_is_told_at_once_while_the_database_rests() -> None:
    commits = GroupCommit(Database("postgresql://nobody@127.0.0.1:9/none"))
    for _ in range(2):
        with pytest.raises(Unavailable):
            commits.submit(chat())


def at_once(url: str, workers: int, work: Any) -> None:
    """Let so many workers, each with connections of its own, do `work(commits, number)` at the same moment."""
    barrier, faults = threading.Barrier(workers), []

    def run(number: int) -> None:
        database = Database(url, timeout=10)
        commits = GroupCommit(database, timeout=10)
        barrier.wait()
        try:
            work(commits, number)
        except BaseException as fault:
            faults.append(fault)
        commits.close()
        database.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert faults == []
