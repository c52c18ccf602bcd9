from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.domain.conversation import History
from app.domain.errors import InvalidRequest, NotFound
from app.domain.usage import Usage
from app.repositories.conversations import Conversations
from app.repositories.database import Database
from app.repositories.group_commit import GroupCommit
from app.repositories.requests import Requests
from tests.stores.sql_support import chat, counts

BEGUN = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def commits(database: Database) -> Iterator[GroupCommit]:
    commits = GroupCommit(database, timeout=10)
    yield commits
    commits.close()


@pytest.fixture
def conversations(database: Database) -> Conversations:
    return Conversations(database)


def begin(commits: GroupCommit, *titles: str, user_id: str = "user-1") -> list[str]:
    """Conversations with these first questions, a minute apart; their public ids, oldest first."""
    made = [
        chat(f"{user_id}-c{n}", new=True, question=title, user_id=user_id, created_at=BEGUN + timedelta(minutes=n))
        for n, title in enumerate(titles)
    ]
    for one in made:
        commits.submit(one)
    return [one.conversation.public_id for one in made if one.conversation]


def test_the_list_is_newest_first_and_goes_on_after_the_cursor(
    commits: GroupCommit, conversations: Conversations
) -> None:
    made = begin(commits, *(f"title {n}" for n in range(7)))
    commits.submit(chat("user-1-c2", created_at=BEGUN + timedelta(days=1)))
    seen, cursor, pages = [], None, 0
    while True:
        page = conversations.page("user-1", limit=3, cursor=cursor)
        seen += [row.id for row in page.items]
        pages += 1
        cursor = page.next
        if cursor is None:
            break
    assert seen == [made[n] for n in (2, 6, 5, 4, 3, 1, 0)]
    assert pages == 3


def test_conversations_of_one_moment_are_all_listed_once(commits: GroupCommit, conversations: Conversations) -> None:
    for n in range(5):
        commits.submit(chat(f"c{n}", new=True, created_at=BEGUN))
    first = conversations.page("user-1", limit=2)
    second = conversations.page("user-1", limit=9, cursor=first.next)
    assert len({row.id for row in (*first.items, *second.items)}) == 5


@pytest.mark.parametrize("cursor", ["", "x", "2026-05-01_c1", "2026-05-01T00:00:00+00:00", "9e9_c", "\x00_c"])
def test_a_cursor_that_is_none_of_ours_is_refused(conversations: Conversations, cursor: str) -> None:
    with pytest.raises(InvalidRequest) as fault:
        conversations.page("user-1", limit=2, cursor=cursor)
    assert fault.value.field == "cursor"


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("PYTHON", ["About Python"]),
        ("über", ["ÜBER Zeichen"]),
        ("100%", ["100% sure"]),
        ("%", ["100% sure"]),
        ("_", ["snake_case"]),
        ("\\", ["back\\slash"]),
        ("/", ["a/b"]),
        ("nothing of it", []),
    ],
)
def test_a_search_takes_every_character_as_it_is_and_in_any_case(
    commits: GroupCommit, conversations: Conversations, q: str, found: list[str]
) -> None:
    begin(commits, "About Python", "ÜBER Zeichen", "100% sure", "snake_case", "back\\slash", "a/b")
    assert [row.title for row in conversations.page("user-1", limit=9, q=q).items] == found


def test_what_is_another_users_is_unknown(commits: GroupCommit, conversations: Conversations) -> None:
    [mine] = begin(commits, "mine")
    calls: list[Any] = [
        lambda: conversations.get("user-2", mine),
        lambda: conversations.rename("user-2", mine, "theirs"),
        lambda: conversations.delete("user-2", mine, BEGUN),
        lambda: conversations.history("user-2", mine),
    ]
    for call in calls:
        with pytest.raises(NotFound):
            call()
    assert conversations.window("user-2", mine, 10) is None
    assert conversations.page("user-2", limit=10).items == ()
    assert conversations.get("user-1", mine).title == "mine"


def test_two_users_may_use_one_name(commits: GroupCommit, conversations: Conversations) -> None:
    commits.submit(chat("a", new=True, public_id="work"))
    commits.submit(chat("b", new=True, public_id="work", user_id="user-2"))
    assert conversations.window("user-1", "work", 1) != conversations.window("user-2", "work", 1)


def test_a_rename_stays_when_the_conversation_goes_on(commits: GroupCommit, conversations: Conversations) -> None:
    [mine] = begin(commits, "first question")
    assert conversations.rename("user-1", mine, "Ein Titel").title == "Ein Titel"
    commits.submit(chat("user-1-c0"))
    found = conversations.get("user-1", mine)
    assert (found.title, found.message_count) == ("Ein Titel", 4)


@pytest.mark.parametrize("title", ["", "  ", "x" * 1001, "a\x00b", "a\ud800b"])
def test_fault_6_5_a_title_that_cannot_be_is_refused(
    commits: GroupCommit, conversations: Conversations, title: str
) -> None:
    [mine] = begin(commits, "first")
    with pytest.raises(InvalidRequest):
        conversations.rename("user-1", mine, title)
    assert conversations.get("user-1", mine).title == "first"


def test_deletion_takes_the_messages_and_leaves_the_ledger(
    database: Database, commits: GroupCommit, conversations: Conversations
) -> None:
    [mine, other] = begin(commits, "one", "two")
    assert conversations.delete("user-1", mine, datetime.now(UTC)) == "user-1-c0"
    assert [row.id for row in conversations.page("user-1", limit=9).items] == [other]
    assert counts(database) == {"requests": 2, "attempts": 4, "messages": 2, "counted": 2, "live": 1}
    with pytest.raises(NotFound):
        conversations.delete("user-1", mine, datetime.now(UTC))


def said(commits: GroupCommit, n: int) -> list[str]:
    """So many exchanges in one conversation; their prompt_ids in order."""
    chats = [chat("c1", new=i == 0, question=f"q{i}", answer=f"a{i}") for i in range(n)]
    for one in chats:
        commits.submit(one)
    return [one.row.prompt_id for one in chats]


def contents(history: History) -> list[str]:
    return [message.message.content for message in history.messages]


@pytest.mark.parametrize(
    ("limit", "expected", "more"),
    [(2, ["q2", "a2"], True), (3, ["q1", "a1", "q2", "a2"], True), (6, ["q0", "a0", "q1", "a1", "q2", "a2"], False)],
)
def test_history_is_oldest_first_and_splits_no_exchange(
    commits: GroupCommit, conversations: Conversations, limit: int, expected: list[str], more: bool
) -> None:
    said(commits, 3)
    history = conversations.history("user-1", "public-c1", limit=limit)
    assert (contents(history), history.has_more) == (expected, more)


def test_history_goes_back_from_before_an_exchange(commits: GroupCommit, conversations: Conversations) -> None:
    ids = said(commits, 4)
    history = conversations.history("user-1", "public-c1", limit=2, before=ids[2])
    assert (contents(history), history.has_more) == (["q1", "a1"], True)
    first = conversations.history("user-1", "public-c1", limit=2, before=ids[1])
    assert (contents(first), first.has_more) == (["q0", "a0"], False)
    assert contents(conversations.history("user-1", "public-c1", before=ids[0])) == []


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_history_has_a_limit(commits: GroupCommit, conversations: Conversations, limit: int) -> None:
    said(commits, 1)
    with pytest.raises(InvalidRequest) as fault:
        conversations.history("user-1", "public-c1", limit=limit)
    assert fault.value.field == "limit"


def test_an_answer_bears_what_the_ledger_says_of_it(commits: GroupCommit, conversations: Conversations) -> None:
    commits.submit(chat("c1", new=True, usage=Usage(7, 5), charge=None, cached=True))
    question, answer = conversations.history("user-1", "public-c1").messages
    assert question.facts is None
    assert answer.facts is not None
    assert (answer.facts.provider, answer.facts.tokens, answer.facts.charge) == ("demo", 12, None)
    assert (answer.facts.cached, answer.facts.fallback) == (True, True)
    assert (answer.message.model, answer.state, answer.message.reasoning) == ("m", "complete", "because")


def test_the_window_is_the_newest_messages_oldest_first(commits: GroupCommit, conversations: Conversations) -> None:
    ids = said(commits, 4)

    def window(limit: int, before: str | None = None) -> list[str]:
        found = conversations.window("user-1", "public-c1", limit, before)
        assert found is not None
        return [message.content for message in found[1]]

    assert window(4) == ["q2", "a2", "q3", "a3"]
    assert window(3) == ["a2", "q3", "a3"]
    assert window(4, before=ids[2]) == ["q0", "a0", "q1", "a1"]
    assert conversations.window("user-1", "nothing", 4) is None


def test_the_old_question_can_be_asked_again(commits: GroupCommit, conversations: Conversations) -> None:
    ids = said(commits, 2)
    assert conversations.question("user-1", "public-c1", ids[1]) == ("q1", ())
    for user, prompt_id in (("user-2", ids[1]), ("user-1", "nothing")):
        with pytest.raises(NotFound):
            conversations.question(user, "public-c1", prompt_id)


def test_a_receipt_is_its_users_alone(database: Database, commits: GroupCommit) -> None:
    one = chat()
    commits.submit(one)
    assert Requests(database).receipt("user-2", one.row.prompt_id) is None
    assert Requests(database).receipt("user-1", "nothing") is None
    found = Requests(database).receipt("user-1", one.row.prompt_id)
    assert found is not None
    assert found.attempts == one.attempts
