"""Who writes summaries: when it is called at all, and what happens where one cannot be had."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from app.domain.catalogue import Model
from app.domain.chat import ChatRequest, ConversationRef
from app.domain.errors import BudgetExceeded, DomainError, InvalidRequest, Unavailable
from app.domain.events import Answer, ChatEvent, Done, Failed
from app.domain.finished import Finished
from app.domain.ledger import StoredMessage
from app.domain.summary import Outgrown, Summary
from app.domain.usage import Usage
from app.services.chat.summaries import Summarized, Summarizer, Window
from app.utils.cancel import Cancel
from app.utils.lifecycle import Lifecycle
from tests.stores.sql_support import row
from tests.unit.chat.chat_house import CALLER, exchange, model, request

REF = ConversationRef("talk", must_exist=True)
TALK = [message for n in range(8) for message in exchange(f"p{n}", f"question {n}", f"answer {n}")]


class Kept:
    """Stands for the summaries in SQL."""

    def __init__(self) -> None:
        self.summary: Summary | None = None
        self.resets: list[str] = []
        self.fault: DomainError | None = None
        self.overtaken = False

    def of(self, user_id: str, row_id: str, before: str | None = None) -> Summary | None:
        if self.fault:
            raise self.fault
        return self.summary

    def outgrown(self, user_id: str, row_id: str, most: int) -> Outgrown | None:
        until = self.summary.until if self.summary else None
        return Outgrown(self.summary, until, tuple(TALK[-most:]))

    def said(
        self, user_id: str, row_id: str, after: str | None, until: str, *, most: int, longest: int
    ) -> tuple[StoredMessage, ...]:
        return tuple(m for m in TALK if (after or "") < m.prompt_id <= until)[:most]

    def keep(self, user_id: str, row_id: str, summary: Summary, instead_of: str | None) -> bool:
        if not self.overtaken:
            self.summary = summary
        return not self.overtaken

    def reset(self, user_id: str, row_id: str, since: str) -> None:
        self.resets.append(since)


class Turns:
    def __init__(self) -> None:
        self.taken: set[str] = set()

    def claim(self, what: str, seconds: float) -> bool:
        if what in self.taken:
            return False
        self.taken.add(what)
        return True

    def give_back(self, what: str) -> None:
        self.taken.discard(what)


def done(text: str) -> Done:
    return Done((Answer(text, "", (), "stop"),), "m", "p", Usage(), 1, 1, 1, 1)


class House:
    """says: what the orchestrator answers, or raises."""

    def __init__(self, says: ChatEvent | DomainError | Callable[[], ChatEvent], models: tuple[Model, ...] = ()) -> None:
        self.kept, self.turns, self.lifecycle = Kept(), Turns(), Lifecycle()
        self.requests: list[ChatRequest] = []
        self.later: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self._says = says
        self.writer = Summarizer(
            self.kept,
            self.turns,
            lambda: models or (model("alpha", "cheap", 1),),
            Window(4, 1_000),
            self.lifecycle,
            lambda work, *args: self.later.append((work, args)),
            self._asks,
        )

    def _asks(self, asked: ChatRequest, cancel: Cancel) -> Iterator[ChatEvent]:
        self.requests.append(asked)
        assert self.lifecycle.in_flight == 1, "a shutdown can stop it"
        if isinstance(self._says, DomainError):
            raise self._says
        yield self._says() if callable(self._says) else self._says

    def ended(self, *, older: bool = True, ref: ConversationRef | None = REF) -> None:
        asked = request("hello", ref=ref)
        self.writer.ended(Finished(asked, row(asked.prompt_id), "hello", "hi", "home", None, 4, older=older))
        while self.later:
            work, args = self.later.pop(0)
            work(*args)


def test_a_chat_that_fits_its_window_leaves_nothing_to_do() -> None:
    house = House(done("so far"))
    house.ended(older=False)
    house.ended(ref=None)
    assert (house.requests, house.kept.summary) == ([], None)


def test_a_summary_is_asked_for_on_the_callers_account_as_no_request_of_theirs() -> None:
    house = House(done("  so\u202e far "))
    house.ended()
    assert house.kept.summary is not None
    assert house.kept.summary.text == "so far"
    asked = house.requests[0]
    assert (asked.caller, asked.door, asked.conversation, asked.stream) == (CALLER, "app", None, False)
    assert (asked.wishes.errand, asked.wishes.cache, asked.wishes.memory) == (True, "off", False)
    assert asked.max_tokens is not None
    assert house.turns.taken == set()
    assert house.lifecycle.in_flight == 0


def test_one_that_is_being_written_is_not_written_twice() -> None:
    house = House(done("so far"))
    house.turns.claim(f"summary:{CALLER.user_id}:home", 1)
    house.writer.write_on(CALLER, "home")
    assert house.requests == []


FAILED = Failed(Unavailable("nobody"), "error", Usage())


@pytest.mark.parametrize(
    "says", [BudgetExceeded("nothing is left"), Unavailable("away"), done(""), done(" \n"), FAILED]
)
def test_where_none_can_be_had_it_is_not_asked_for_after_each_reply(says: ChatEvent | DomainError) -> None:
    house = House(says)
    for _ in range(3):
        house.ended()
    assert len(house.requests) == 1
    assert house.kept.summary is None
    assert house.turns.taken == set()
    assert house.lifecycle.in_flight == 0


def test_one_that_was_overtaken_is_thrown_away() -> None:
    house = House(done("so far"))
    house.kept.overtaken = True
    house.ended()
    assert house.kept.summary is None
    assert len(house.requests) == 1


def test_without_a_model_that_the_key_may_use_nothing_is_asked() -> None:
    house = House(done("so far"))
    house.writer.write_on(replace(CALLER, models=frozenset({"another"})), "home")
    assert house.requests == []


def test_a_worker_that_ends_begins_none() -> None:
    house = House(done("so far"))
    house.lifecycle.drain()
    house.ended()
    assert house.requests == []


def test_what_was_replaced_is_forgotten_also_where_the_conversation_fits() -> None:
    house = House(done("so far"))
    house.ended(older=False, ref=replace(REF, replaces="p3"))
    assert house.kept.resets == ["p3"]


class Chat:
    def __init__(self, asked: ChatRequest, *, older: bool = True) -> None:
        self.request, self.older, self.row_id = asked, older, "home"
        self.prompt = asked.messages

    def set_prompt(self, messages: Any) -> None:
        self.prompt = messages


def test_only_a_conversation_that_is_longer_than_its_window_is_given_one() -> None:
    given = Summarized(Kept())
    assert given.wanted(cast(Any, Chat(request(ref=REF))))
    assert not given.wanted(cast(Any, Chat(request(ref=REF), older=False)))
    assert not given.wanted(cast(Any, Chat(request())))
    refused = request(ref=REF)
    assert not given.wanted(cast(Any, Chat(replace(refused, wishes=replace(refused.wishes, memory=False)))))


def test_a_database_that_is_away_costs_the_chat_its_summary_and_no_more() -> None:
    kept = Kept()
    kept.fault = Unavailable("the database is away")
    chat = Chat(request(ref=REF))
    (notice,) = Summarized(kept).enrich(cast(Any, chat), Cancel())
    assert "without what was said long ago" in notice.message  # type: ignore[union-attr]
    assert chat.prompt == chat.request.messages


def test_an_errand_that_is_refused_at_the_door_is_no_crash() -> None:
    house = House(InvalidRequest("the request is larger than a whole limit"))
    house.ended()
    assert house.kept.summary is None
