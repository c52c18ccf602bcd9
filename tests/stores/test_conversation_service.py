"""Deleting a conversation reaches SQL and what is hot, or nothing at all."""

from __future__ import annotations

import pytest

from app.domain.errors import InvalidRequest, NotFound, Unavailable
from app.repositories.conversations import Conversations
from app.repositories.database import Database
from app.repositories.group_commit import GroupCommit
from app.services.chat.conversations import ConversationService
from tests.stores.sql_support import chat


class Hot:
    """Where Redis would be: remembers what it was told to forget, and what SQL held then; away when told so."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations
        self.away_after: int | None = None
        self.in_sql: list[bool] = []

    def forget_conversation(self, user_id: str, public_id: str) -> None:
        if self.away_after is not None and len(self.in_sql) >= self.away_after:
            raise Unavailable("redis does not answer")
        self.in_sql.append(self._conversations.window(user_id, public_id, 10) is not None)


class Kept:
    """Where the answers under idempotency keys would be."""

    def __init__(self) -> None:
        self.forgotten: list[tuple[str, str]] = []

    def forget(self, user_id: str, conversation: str) -> None:
        self.forgotten.append((user_id, conversation))


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def conversations(database: Database) -> Conversations:
    commits = GroupCommit(database)
    commits.submit(chat("mine", new=True))
    commits.close()
    return Conversations(database)


@pytest.fixture
def hot(conversations: Conversations) -> Hot:
    return Hot(conversations)


@pytest.fixture
def service(conversations: Conversations, hot: Hot, kept: Kept) -> ConversationService:
    return ConversationService(conversations, hot, kept)


def public_id(conversations: Conversations) -> str:
    return conversations.page("user-1", limit=1).items[0].id


def test_what_is_hot_is_dropped_before_the_rows_and_once_more_after(
    service: ConversationService, conversations: Conversations, hot: Hot, kept: Kept
) -> None:
    mine = public_id(conversations)
    service.delete("user-1", mine)
    assert hot.in_sql == [True, False]
    assert kept.forgotten == [("user-1", mine), ("user-1", mine)]


def test_without_redis_nothing_is_deleted(service: ConversationService, conversations: Conversations, hot: Hot) -> None:
    hot.away_after = 0
    mine = public_id(conversations)
    with pytest.raises(Unavailable):
        service.delete("user-1", mine)
    assert conversations.get("user-1", mine).message_count == 2


def test_redis_lost_in_between_does_not_undo_a_deletion(
    service: ConversationService, conversations: Conversations, hot: Hot, caplog: pytest.LogCaptureFixture
) -> None:
    hot.away_after = 1
    mine = public_id(conversations)
    service.delete("user-1", mine)
    with pytest.raises(NotFound):
        conversations.get("user-1", mine)
    assert "hot until its window expires" in caplog.text


def test_anothers_conversation_is_not_found_and_stays(
    service: ConversationService, conversations: Conversations
) -> None:
    mine = public_id(conversations)
    with pytest.raises(NotFound):
        service.delete("user-2", mine)
    with pytest.raises(NotFound):
        service.rename("user-2", mine, "Stolen")
    assert conversations.get("user-1", mine).message_count == 2


@pytest.mark.parametrize("title", ["", " \n\t", "\x00\x1f", "x" * 201])
def test_a_title_is_one_line_of_1_to_200_characters(
    service: ConversationService, conversations: Conversations, title: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        service.rename("user-1", public_id(conversations), title)
    assert caught.value.field == "title"
