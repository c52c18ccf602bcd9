"""A chat ends once, however it ends: whatever is raised wherever, one row is written and the provider is let go."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import Any, cast

import gevent
import pytest
from greenlet import GreenletExit

from app.domain.caller import Budget
from app.domain.chat import ConversationRef
from app.domain.errors import InternalError, NotFound, ProviderFault, Unauthorized, Unavailable, UpstreamFailed
from app.domain.events import Accepted, Attempt, AttemptStarted, ChatEvent, Delta, Done, Failed, Silence
from app.domain.hot import Admitted, Grant
from app.domain.money import Price
from app.utils.cancel import CLIENT_GONE, SHUTDOWN
from tests.unit.chat.chat_house import CALLER, EPOCHS, ROWS, ChatHouse, Shelf, Speaker, exchange, request, whole

NEW = ConversationRef("c1", must_exist=False, fresh=True)
#: Accepted, AttemptStarted, two deltas, the attempt's end, Done.
EVENTS = 6


def _kinds(events: list[ChatEvent]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_a_chat_tells_its_events_in_order_and_ends_in_done() -> None:
    house = ChatHouse()
    events = list(house.run(request(ref=NEW)))
    assert _kinds(events) == ["Accepted", "AttemptStarted", "Delta", "Delta", "Attempt", "Done"]
    done = events[-1]
    assert isinstance(done, Done)
    assert done.answers[0].text == "one two "
    assert (done.usage.prompt, done.usage.completion, done.usage.source) == (3, 2, "provider")
    assert done.charge == 3_000 + 4_000
    assert house.states == ["complete"]


def test_done_comes_after_the_row_is_durable() -> None:
    house = ChatHouse()
    for event in house.run(request()):
        assert house.states == (["complete"] if isinstance(event, Done) else [])


def test_what_is_refused_before_it_is_accepted_leaves_no_row_and_no_place() -> None:
    house = ChatHouse()
    with pytest.raises(NotFound):
        list(house.run(request(ref=ConversationRef("unknown", must_exist=True))))
    assert house.states == []
    assert [s.prompt_id for s in house.book.hot] == [a.prompt_id for a in house.book.admissions]
    with pytest.raises(NotFound):
        list(house.run(request(name="no-such-model")))
    assert len(house.book.admissions) == 1


def test_a_chat_goes_on_without_redis_and_says_so() -> None:
    house = ChatHouse()
    house.book.admit = _raise(Unavailable("away"))  # type: ignore[method-assign]
    events = list(house.run(request(ref=NEW)))
    assert isinstance(events[0], Accepted)
    assert events[0].degraded == "redis"
    assert house.states == ["complete"]


@pytest.mark.parametrize("kind", ["Timeout", "GreenletExit", "GeneratorExit", "KeyboardInterrupt"])
@pytest.mark.parametrize("at", range(EVENTS))
def test_fault_3_13_what_is_raised_at_a_yield_settles_once(at: int, kind: str) -> None:
    """As the server does it: thrown into the generator that waits at a yield."""
    house = ChatHouse()
    events = cast(Generator[ChatEvent, None, None], house.run(request(ref=NEW)))
    for _ in range(at + 1):
        last = next(events)
    stop: BaseException = {
        "Timeout": gevent.Timeout(1),
        "GreenletExit": GreenletExit(),
        "GeneratorExit": GeneratorExit(),
        "KeyboardInterrupt": KeyboardInterrupt(),
    }[kind]
    with pytest.raises(type(stop)):
        events.throw(stop)
    expected = "complete" if isinstance(last, Done) else "client_gone"
    assert house.states == [expected]
    assert len(house.book.hot) == 1
    speaker = house.speakers["alpha"]
    assert speaker.closed == len(speaker.calls)
    assert list(events) == []


@pytest.mark.parametrize("stop", [gevent.Timeout(1), GreenletExit()], ids=["Timeout", "GreenletExit"])
@pytest.mark.parametrize("at", range(4))
def test_fault_3_13_what_is_raised_in_the_provider_settles_once(at: int, stop: BaseException) -> None:
    """As gevent does it: raised where the greenlet waits for the wire."""
    says: list[Any] = [*whole()]
    says.insert(at, stop)
    house = ChatHouse(alpha=Speaker(says))
    with pytest.raises(type(stop)):
        list(house.run(request(ref=NEW)))
    assert house.states == ["client_gone"]
    assert len(house.book.hot) == 1
    assert house.speakers["alpha"].closed == 1
    [attempt] = house.book.rows[0].attempts
    assert (attempt.error, attempt.next) == ("cancelled", "stop")


@pytest.mark.parametrize("stop", [gevent.Timeout(1), GreenletExit()], ids=["Timeout", "GreenletExit"])
def test_fault_3_13_what_is_raised_while_it_settles_settles_no_second_time(stop: BaseException) -> None:
    house = ChatHouse()

    def interrupted() -> None:
        raise stop

    house.book.after_commit = interrupted
    with pytest.raises(type(stop)):
        list(house.run(request(ref=NEW)))
    assert house.states == ["complete"]
    assert len(house.book.hot) == 1


@pytest.mark.parametrize("how", ["end", "close"])
def test_fault_3_13_an_exception_inside_cleanup_settles_once(how: str) -> None:
    house = ChatHouse(alpha=Speaker(at_close=ValueError("the socket was closed twice")))
    events = cast(Generator[ChatEvent, None, None], house.run(request(ref=NEW)))
    if how == "end":
        last = list(events)[-1]
        assert isinstance(last, Failed)
        assert isinstance(last.error, InternalError)
        assert house.states == ["crashed"]
    else:
        for event in events:
            if isinstance(event, Delta):
                break
        events.close()
        assert house.states == ["client_gone"]
    assert len(house.book.hot) == 1
    assert house.speakers["alpha"].closed == 1


@pytest.mark.parametrize("at", range(EVENTS))
def test_fault_3_01_a_stream_that_is_closed_settles_once_with_what_was_said(at: int) -> None:
    house = ChatHouse()
    events = cast(Generator[ChatEvent, None, None], house.run(request(ref=NEW)))
    said = ""
    for _ in range(at + 1):
        event = next(events)
        said += event.text if isinstance(event, Delta) else ""
    events.close()
    [chat] = house.book.rows
    assert chat.row.state == ("complete" if isinstance(event, Done) else "client_gone")
    assert [m.content for m in chat.messages] == (["hello", said] if said else [])
    assert (chat.conversation is not None) == bool(said)
    if said:
        assert chat.row.usage.completion > 0
        assert (chat.row.charge or 0) > 0
    else:
        assert (chat.row.usage.completion, chat.row.charge) == (0, 0)


def test_fault_3_01_a_client_that_leaves_between_the_end_and_the_commit_has_a_whole_answer() -> None:
    house = ChatHouse()
    house.book.after_commit = lambda: house.cancel.cancel(CLIENT_GONE)
    assert isinstance(list(house.run(request(ref=NEW)))[-1], Done)
    assert house.states == ["complete"]


@pytest.mark.parametrize(("reason", "state"), [(CLIENT_GONE, "client_gone"), (SHUTDOWN, "crashed")])
def test_a_chat_that_is_cancelled_ends_in_the_state_of_its_reason(reason: str, state: str) -> None:
    speaker = Speaker([Delta("one "), ProviderFault("cancelled", reason)])
    house = ChatHouse(alpha=speaker)
    speaker.on_event = lambda index: house.cancel.cancel(reason) if index == 1 else None
    last = list(house.run(request(ref=NEW)))[-1]
    assert isinstance(last, Failed)
    assert (last.state, last.text) == (state, "one ")
    assert isinstance(last.error, Unavailable) == (reason == SHUTDOWN)
    assert house.states == [state]
    assert house.speakers["beta"].calls == []


def test_a_bug_in_a_strategy_is_an_internal_error_and_one_row() -> None:
    house = ChatHouse(alpha=Speaker([Delta("one "), KeyError("oops")]))
    last = list(house.run(request(ref=NEW)))[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, InternalError)
    assert "oops" not in last.error.message
    assert house.states == ["crashed"]


def test_an_answer_that_cannot_be_made_durable_is_no_answer() -> None:
    house = ChatHouse()
    house.book.fault = Unavailable("the database is away")
    last = list(house.run(request(ref=NEW)))[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, Unavailable)
    assert last.state == "crashed"
    assert len(house.book.hot) == 1


def test_a_caller_who_was_revoked_is_stopped_at_the_next_slice() -> None:
    house = ChatHouse(alpha=Speaker([*whole("one two three four five six")]))
    house.revoked = Unauthorized("revoked")
    events = list(house.run(request(ref=NEW)))
    assert sum(isinstance(event, Delta) for event in events) == 2
    last = events[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, Unauthorized)
    assert house.states == ["refused"]
    assert house.speakers["alpha"].closed == 1
    assert [m.content for m in house.book.rows[0].messages] == ["hello", "one two "]


@pytest.mark.parametrize(
    ("kind", "price", "code"),
    [
        ("rate_limited", Price(10**15, 10**15), "budget_exceeded"),
        ("rate_limited", None, "no_capacity"),
        ("server_error", Price(10**15, 10**15), "upstream_failed"),
    ],
    ids=["full, then no money", "full, then no price", "broken, then no money"],
)
def test_a_full_provider_and_then_no_money_is_told_as_no_money(kind: str, price: Price | None, code: str) -> None:
    house = ChatHouse(
        rows=(ROWS[0], replace(ROWS[2], price=price)), alpha=Speaker([ProviderFault(kind, "no", retry_after=30)])
    )
    money = Grant(10**7, 0, 10**7)
    house.book.admit = lambda admission: Admitted(EPOCHS, None, money=money)  # type: ignore[method-assign]
    last = list(house.run(request(caller=replace(CALLER, budget=Budget(10**7, "day")))))[-1]
    assert isinstance(last, Failed)
    assert last.error.code == code
    assert house.speakers["beta"].calls == []


def test_a_model_that_fails_before_content_is_followed_by_the_next() -> None:
    house = ChatHouse(alpha=Speaker([ProviderFault("bad_reply", "nonsense", status=200)]))
    events = list(house.run(request(ref=NEW, name="a-small")))
    attempts = [event for event in events if isinstance(event, Attempt)]
    assert [(a.model, a.error, a.next) for a in attempts][-1] == ("b-large", None, None)
    assert attempts[0].next == "next_model"
    done = events[-1]
    assert isinstance(done, Done)
    assert (done.model, done.fallback) == ("b-large", True)
    [chat] = house.book.rows
    assert (chat.row.model, chat.row.fallback, len(chat.attempts)) == ("b-large", True, len(attempts))


def test_when_nobody_can_answer_the_chat_fails_and_keeps_no_message() -> None:
    dead = [ProviderFault("server_error", "500", status=500)]
    house = ChatHouse(alpha=Speaker([*dead]), beta=Speaker([*dead]))
    events = list(house.run(request(ref=NEW)))
    last = events[-1]
    assert isinstance(last, Failed)
    assert isinstance(last.error, UpstreamFailed)
    [chat] = house.book.rows
    assert (chat.row.state, chat.messages, chat.conversation) == ("upstream_failed", (), None)
    assert len(chat.attempts) == sum(isinstance(event, AttemptStarted) for event in events)
    assert house.speakers["demo"].calls == [], "demo never stands in in silence"


def test_silence_goes_on_to_the_door() -> None:
    house = ChatHouse(alpha=Speaker([Silence(), *whole()]))
    assert any(isinstance(event, Silence) for event in house.run(request()))


def test_the_conversation_goes_before_the_question() -> None:
    house = ChatHouse(shelf=Shelf(c1=exchange("p1", "before", "answered")))
    list(house.run(request("now", ref=ConversationRef("c1", must_exist=True))))
    [call] = house.speakers["alpha"].calls
    assert [(m.role, m.content) for m in call.messages] == [
        ("user", "before"),
        ("assistant", "answered"),
        ("user", "now"),
    ]
    assert call.secret == "secret-alpha"


def _raise(error: Exception) -> Any:
    def admit(_: object) -> Any:
        raise error

    return admit
