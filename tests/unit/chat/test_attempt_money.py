"""What attempts cost that the caller does not see whole: rescues, and those that failed."""

from __future__ import annotations

import logging

import pytest

from app.domain.caller import Budget, Caller
from app.domain.chat import ConversationRef, Message
from app.domain.errors import ProviderFault
from app.domain.events import Attempt, Delta, Done, Failed, UsageReport
from app.domain.hot import Admission, Admitted, Grant
from app.domain.policies.tokens import estimate_prompt
from app.domain.usage import Usage
from tests.unit.chat.chat_house import EPOCHS, PROVIDERS, ROWS, ChatHouse, Speaker, model, provider, request, whole

NEW = ConversationRef("c1", must_exist=False, fresh=True)
CUT = ProviderFault("cut", "it broke off", status=200)


@pytest.fixture
def rescued(monkeypatch: pytest.MonkeyPatch) -> ChatHouse:
    """Alpha breaks off after "one "; groq, which goes on from what was said, is next."""
    monkeypatch.setitem(PROVIDERS, "groq", provider("groq"))
    rows = (ROWS[0], model("groq", "g-large", 1))
    return ChatHouse(rows=rows, alpha=Speaker([Delta("one "), CUT]), groq=Speaker())


def test_fault_5_14_a_rescuers_thoughts_are_metered_though_the_caller_does_not_get_them(rescued: ChatHouse) -> None:
    def admit(admission: Admission) -> Admitted:
        return Admitted(EPOCHS, None, money=Grant(200_000, 0, 200_000))

    rescued.book.admit = admit  # type: ignore[method-assign]
    rescued.speakers["groq"].says = [Delta(reasoning="x" * 400), Delta(reasoning="x" * 400), *whole("two")]
    caller = Caller("u1", "ann", "user", budget=Budget(200_000, "day"))
    events = list(rescued.run(request(ref=NEW, caller=caller)))
    assert isinstance(events[-1], Failed)
    assert rescued.states == ["budget_cut"]
    assert rescued.speakers["groq"].closed == 1


def test_a_rescue_is_asked_the_part_that_was_sent_and_its_prompt_is_believed(rescued: ChatHouse) -> None:
    rescued.speakers["alpha"].says = [Delta("word " * 8_000), CUT]
    rescued.speakers["groq"].says = [Delta("two "), *whole("")[:-1], UsageReport(Usage(8_010, 2))]
    done = list(rescued.run(request(ref=NEW)))[-1]
    assert isinstance(done, Done)
    assert done.usage == Usage(8_010, 2)
    rescued.speakers["groq"].says = [Delta("two "), *whole("")[:-1]]
    counted = list(rescued.run(request(ref=NEW)))[-1]
    assert isinstance(counted, Done)
    assert counted.usage.source == "counted"
    assert counted.usage.prompt == estimate_prompt(
        (Message("user", "hello"), Message("assistant", ("word " * 8_000).rstrip()))
    )


@pytest.mark.parametrize("said", [[], [Delta(reasoning="thought ")]], ids=["nothing", "a thought"])
def test_a_failed_attempts_numbers_are_not_believed_beyond_reason(
    said: list[Delta], caplog: pytest.LogCaptureFixture
) -> None:
    lies = UsageReport(Usage(prompt=3, completion=10**6))
    house = ChatHouse(alpha=Speaker([*said, lies, ProviderFault("bad_reply", "nonsense", status=200)]))
    with caplog.at_level(logging.WARNING):
        events = list(house.run(request(ref=NEW)))
    failed = next(event for event in events if isinstance(event, Attempt))
    assert failed.usage is not None
    assert (failed.usage.source, failed.usage.completion) == ("counted", 2 * len(said))
    [chat] = house.book.rows
    assert chat.row.lost < 100_000
    tries = sum(isinstance(event, Attempt) and event.error is not None for event in events)
    assert sum("cannot be true" in record.message for record in caplog.records) == tries


def test_a_failed_attempt_that_said_nothing_owes_the_prompt_its_provider_counted() -> None:
    told = UsageReport(Usage(prompt=2_000, completion=0))
    house = ChatHouse(alpha=Speaker([told, ProviderFault("bad_reply", "nonsense", status=200)]))
    events = list(house.run(request("word " * 1_000, ref=NEW)))
    failed = next(event for event in events if isinstance(event, Attempt))
    assert failed.usage == Usage(prompt=2_000)
