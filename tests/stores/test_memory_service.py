"""What is remembered and found again, over real SQL; vectors of a scripted embedder in a list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest

from app.domain.accounts import GUEST_ID
from app.domain.errors import Unavailable
from app.domain.memory import Near
from app.repositories.database import Database
from app.repositories.group_commit import GroupCommit
from app.repositories.memories import Memories
from app.services.memory.service import MemoryService
from app.stores.vectors import Entry, Vectors
from tests.stores.sql_support import chat

if TYPE_CHECKING:
    from app.domain.embedding import Vector

BEGUN = datetime(2026, 5, 1, tzinfo=UTC)


class Told:
    """An embedder that writes down what it was given."""

    name = "told"
    dimensions = 2

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> list[Vector | None]:
        self.texts += texts
        return [np.array([1.0, 0.0], np.float32) for _ in texts]


class Listed(Vectors):
    """nearness: by id; what is not in it is as near as can be."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self.nearness: dict[str, float] = {}

    def add(self, entries: Sequence[Entry]) -> None:
        self.entries |= {entry.id: entry for entry in entries}

    def nearest(self, user_id: str, vector: Vector, count: int, conversation: str | None = None) -> list[Near]:
        theirs = [
            Near(entry.id, self.nearness.get(entry.id, 1.0))
            for entry in self.entries.values()
            if entry.user_id == user_id and conversation in (None, entry.conversation)
        ]
        return sorted(theirs, key=lambda near: -near.likeness)[:count]

    def forget(self, user_id: str, ids: Sequence[str] | None = None, conversation: str | None = None) -> None:
        for id_ in ids or ():
            self.entries.pop(id_, None)


@pytest.fixture
def commits(database: Database) -> Iterator[GroupCommit]:
    commits = GroupCommit(database, timeout=10)
    yield commits
    commits.close()


@pytest.fixture
def vectors() -> Listed:
    return Listed()


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def service(database: Database, told: Told, vectors: Listed) -> MemoryService:
    return MemoryService(Memories(database), told, vectors)


def exchange(commits: GroupCommit, home: str, question: str, *, new: bool = False, user_id: str = "anna") -> str:
    one = chat(home, new=new, question=question, user_id=user_id, created_at=BEGUN)
    commits.submit(one)
    return one.row.prompt_id


def test_what_guests_said_is_neither_embedded_nor_remembered(
    commits: GroupCommit, database: Database, service: MemoryService, told: Told, vectors: Listed
) -> None:
    exchange(commits, "g1", "the guest's word", new=True, user_id=GUEST_ID)
    hers = exchange(commits, "c1", "hers", new=True)
    assert service.sweep() == 2
    assert service.sweep() == 0, "nobody looks at it twice"
    assert list(vectors.entries) == [hers]
    assert [text for text in told.texts if "guest" in text] == []
    assert Memories(database).page(GUEST_ID, limit=10).items == ()


def test_the_nearest_are_told_first_those_of_this_conversation_before_the_others(
    commits: GroupCommit, service: MemoryService, vectors: Listed
) -> None:
    far, near = exchange(commits, "c1", "far", new=True), exchange(commits, "c1", "near")
    elsewhere = exchange(commits, "c2", "elsewhere", new=True)
    service.sweep()
    vectors.nearness = {far: 0.3, near: 0.6, elsewhere: 0.9}
    home = vectors.entries[far].conversation
    assert [found.id for found in service.recall("anna", "what?", home, (), 8)] == [near, far, elsewhere]


def test_an_index_that_cannot_be_asked_is_told_of_until_it_answers_again(
    commits: GroupCommit, service: MemoryService, vectors: Listed, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange(commits, "c1", "what?", new=True)
    service.sweep()
    with monkeypatch.context() as away:
        away.setattr(vectors, "nearest", fails)
        with pytest.raises(Unavailable):
            service.recall("anna", "what?", None, (), 8)
    assert service.state == "degraded"
    assert service.recall("anna", "what?", None, (), 8)
    assert service.state == "ok"


def fails(*asked: object) -> list[Near]:
    raise Unavailable("nobody answers")
