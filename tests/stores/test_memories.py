"""What is remembered, in SQL: of one user, gone with its conversation, found again when it was lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from app.domain.memory import Memory
from app.repositories.conversations import Conversations
from app.repositories.database import Database
from app.repositories.group_commit import GroupCommit
from app.repositories.memories import Memories
from tests.stores.sql_support import chat

BEGUN = datetime(2026, 5, 1, tzinfo=UTC)
LATER = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def commits(database: Database) -> Iterator[GroupCommit]:
    commits = GroupCommit(database, timeout=10)
    yield commits
    commits.close()


@pytest.fixture
def memories(database: Database) -> Memories:
    return Memories(database)


def exchange(commits: GroupCommit, home: str, *, new: bool = False, user_id: str = "anna") -> tuple[str, str]:
    """The prompt_id and the conversation's row id of an exchange that was stored."""
    one = chat(home, new=new, question="what?", user_id=user_id, created_at=BEGUN)
    commits.submit(one)
    assert one.conversation is not None
    return one.row.prompt_id, one.conversation.id


def test_what_is_owed_is_found_once_and_then_remembered(commits: GroupCommit, memories: Memories) -> None:
    prompt_id, home = exchange(commits, "c1", new=True)
    (owed,) = memories.owed(LATER, 10)
    assert (owed.id, owed.user_id, owed.conversation, owed.question) == (prompt_id, "anna", home, "what?")
    assert memories.owed(BEGUN - timedelta(days=1), 10) == ()
    memories.keep([owed], "m")
    assert memories.owed(LATER, 10) == ()
    assert memories.kept([prompt_id, "other"]) == {prompt_id}
    memories.keep([owed], "m")
    assert [row.id for row in memories.page("anna", limit=10).items] == [prompt_id]


def test_another_users_are_out_of_reach(commits: GroupCommit, memories: Memories) -> None:
    prompt_id, _ = exchange(commits, "c1", new=True)
    memories.keep(memories.owed(LATER, 10), "m")
    assert memories.of("bert", [prompt_id]) == {}
    assert memories.page("bert", limit=10).items == ()
    assert memories.forget("bert", prompt_id) is False
    assert memories.of("anna", [prompt_id]).keys() == {prompt_id}


def test_fault_9_06_a_conversation_that_was_deleted_meanwhile_is_not_remembered(
    commits: GroupCommit, memories: Memories, database: Database
) -> None:
    prompt_id, home = exchange(commits, "c1", new=True)
    waiting = memories.owed(LATER, 10)
    public_id = Conversations(database).page("anna", limit=1).items[0].id
    Conversations(database).delete("anna", public_id, LATER)
    memories.keep(waiting, "m")
    assert memories.kept([prompt_id]) == frozenset()
    assert memories.forget_conversation("anna", home) == ()


def test_a_conversation_is_forgotten_from_an_exchange_on(commits: GroupCommit, memories: Memories) -> None:
    first, home = exchange(commits, "c1", new=True)
    second, _ = exchange(commits, "c1")
    third, _ = exchange(commits, "c1")
    memories.keep(memories.owed(LATER, 10), "m")
    assert memories.forget_conversation("anna", home, second, third) == (second,)
    assert memories.kept([first, second, third]) == {first, third}
    assert set(memories.forget_conversation("anna", home)) == {first, third}


def test_all_is_forgotten_and_what_waits_too(commits: GroupCommit, memories: Memories) -> None:
    exchange(commits, "c1", new=True)
    memories.keep(memories.owed(LATER, 10), "m")
    exchange(commits, "c1")
    exchange(commits, "c2", new=True, user_id="bert")
    memories.forget_all("anna")
    assert memories.page("anna", limit=10).items == ()
    assert [memory.user_id for memory in memories.owed(LATER, 10)] == ["bert"]


def test_fault_9_06_what_waits_in_another_worker_does_not_come_back_once_all_was_forgotten(
    commits: GroupCommit, memories: Memories
) -> None:
    prompt_id, _ = exchange(commits, "c1", new=True)
    waiting = memories.owed(LATER, 10)
    memories.forget_all("anna")
    memories.keep(waiting, "m")
    assert memories.kept([prompt_id]) == frozenset()


def test_what_is_passed_over_is_neither_owed_nor_remembered(commits: GroupCommit, memories: Memories) -> None:
    prompt_id, _ = exchange(commits, "c1", new=True)
    memories.pass_over([prompt_id])
    assert memories.owed(LATER, 10) == ()
    assert memories.kept([prompt_id]) == frozenset()


def test_a_part_of_a_text_finds_it_and_wildcards_are_letters(commits: GroupCommit, memories: Memories) -> None:
    exchange(commits, "c1", new=True)
    (owed,) = memories.owed(LATER, 10)
    memories.keep([Memory(owed.id, "anna", owed.conversation, "100 % Grüße", "fine", BEGUN)], "m")
    assert len(memories.page("anna", limit=10, q="100 %").items) == 1
    assert memories.page("anna", limit=10, q="1_0").items == ()
