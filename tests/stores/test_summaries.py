"""A conversation's summary beside it in SQL: kept as long as what it tells of stands, and nobody else's."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from app.domain.summary import Summary
from app.repositories.conversations import Conversations
from app.repositories.database import Database
from app.repositories.group_commit import GroupCommit
from app.repositories.summaries import Summaries
from tests.stores.sql_support import chat

BEGUN = datetime(2026, 5, 1, tzinfo=UTC)
HOME = "home"


@pytest.fixture
def commits(database: Database) -> Iterator[GroupCommit]:
    commits = GroupCommit(database, timeout=10)
    yield commits
    commits.close()


@pytest.fixture
def summaries(database: Database) -> Summaries:
    return Summaries(database)


@pytest.fixture
def talk(commits: GroupCommit) -> list[str]:
    """The prompt ids of a conversation of five exchanges, oldest first."""
    for n in range(5):
        say(commits, n, new=n == 0)
    return [name(n) for n in range(5)]


def name(n: int) -> str:
    return f"p{n:02}"


def say(commits: GroupCommit, n: int, *, new: bool = False, replaces: str | None = None) -> None:
    at = BEGUN + timedelta(minutes=n)
    commits.submit(
        chat(
            HOME,
            new=new,
            prompt_id=name(n),
            question=f"question {n}",
            answer=f"answer {n}",
            replaces=replaces,
            created_at=at,
        )
    )


def stored(database: Database) -> tuple[str | None, str | None]:
    row = database.read(lambda s: s.execute(text("SELECT summary, summary_until FROM conversations")).one())
    return row[0], row[1]


def test_a_summary_is_kept_and_found(summaries: Summaries, talk: list[str]) -> None:
    assert summaries.of("user-1", HOME) is None
    assert summaries.keep("user-1", HOME, Summary("so far", talk[1]), None)
    assert summaries.of("user-1", HOME) == Summary("so far", talk[1])
    state = summaries.outgrown("user-1", HOME, 4)
    assert state is not None
    assert state.summary == Summary("so far", talk[1])
    assert [(m.prompt_id, m.role, m.content) for m in state.newest] == [
        (talk[3], "user", ""),
        (talk[3], "assistant", ""),
        (talk[4], "user", ""),
        (talk[4], "assistant", ""),
    ]
    assert [m.tokens for m in state.newest] == [1, 2, 1, 2]


def test_what_is_another_users_is_neither_read_nor_written(summaries: Summaries, talk: list[str]) -> None:
    assert not summaries.keep("user-2", HOME, Summary("theirs", talk[1]), None)
    assert summaries.keep("user-1", HOME, Summary("mine", talk[1]), None)
    assert summaries.of("user-2", HOME) is None
    assert summaries.outgrown("user-2", HOME, 9) is None
    assert summaries.said("user-2", HOME, None, talk[4], most=9, longest=9) == ()
    summaries.reset("user-2", HOME, talk[0])
    assert summaries.of("user-1", HOME) == Summary("mine", talk[1])


def test_what_was_said_between_two_exchanges_is_told_oldest_first_and_cut(
    summaries: Summaries, talk: list[str]
) -> None:
    said = summaries.said("user-1", HOME, talk[0], talk[2], most=9, longest=8)
    assert [(m.prompt_id, m.role, m.content) for m in said] == [
        (talk[1], "user", "question"),
        (talk[1], "assistant", "answer 1"),
        (talk[2], "user", "question"),
        (talk[2], "assistant", "answer 2"),
    ]
    assert len(summaries.said("user-1", HOME, None, talk[4], most=3, longest=8)) == 3


def test_one_that_was_written_meanwhile_is_not_written_over(summaries: Summaries, talk: list[str]) -> None:
    assert summaries.keep("user-1", HOME, Summary("first", talk[1]), None)
    assert not summaries.keep("user-1", HOME, Summary("late", talk[2]), None)
    assert summaries.keep("user-1", HOME, Summary("second", talk[2]), talk[1])
    assert not summaries.keep("user-1", HOME, Summary("late", talk[3]), talk[1])
    assert summaries.of("user-1", HOME) == Summary("second", talk[2])


def test_one_that_tells_of_what_was_replaced_does_not_stand_and_goes(
    summaries: Summaries, commits: GroupCommit, database: Database, talk: list[str]
) -> None:
    assert summaries.keep("user-1", HOME, Summary("so far", talk[2]), None)
    say(commits, 5, replaces=talk[1])
    assert summaries.of("user-1", HOME) is None, "before anybody has cleaned up"
    state = summaries.outgrown("user-1", HOME, 9)
    assert state is not None
    assert (state.summary, state.stored_until) == (None, talk[2])
    summaries.reset("user-1", HOME, talk[1])
    assert stored(database) == (None, None)


def test_one_that_ends_before_what_was_replaced_stays(
    summaries: Summaries, commits: GroupCommit, talk: list[str]
) -> None:
    assert summaries.keep("user-1", HOME, Summary("so far", talk[1]), None)
    say(commits, 5, replaces=talk[2])
    summaries.reset("user-1", HOME, talk[2])
    assert summaries.of("user-1", HOME) == Summary("so far", talk[1])


def test_a_chat_that_replaces_is_not_given_what_tells_of_it(summaries: Summaries, talk: list[str]) -> None:
    assert summaries.keep("user-1", HOME, Summary("so far", talk[2]), None)
    for before, found in ((talk[2], False), (talk[0], False), (talk[3], True)):
        assert (summaries.of("user-1", HOME, before) is not None) is found


def test_one_whose_last_exchange_was_replaced_while_it_was_written_is_not_kept(
    summaries: Summaries, commits: GroupCommit, talk: list[str]
) -> None:
    say(commits, 5, replaces=talk[1])
    assert not summaries.keep("user-1", HOME, Summary("late", talk[2]), None)
    assert summaries.of("user-1", HOME) is None


def test_a_deleted_conversation_takes_its_summary_along_and_gets_none(
    summaries: Summaries, database: Database, talk: list[str]
) -> None:
    assert summaries.keep("user-1", HOME, Summary("so far", talk[1]), None)
    Conversations(database).delete("user-1", f"public-{HOME}", BEGUN)
    assert stored(database) == (None, None)
    assert not summaries.keep("user-1", HOME, Summary("late", talk[1]), None)
    assert summaries.outgrown("user-1", HOME, 9) is None
    assert stored(database) == (None, None)
