"""What a conversation said goes before the question: from Redis where that can be trusted, else from SQL."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.chat import ConversationRef, FilePart, Message, TextPart
from app.domain.errors import NotFound, Unavailable
from app.domain.hot import HotWindow
from app.domain.policies.tokens import estimate_prompt
from app.services.chat.recall import Recall
from app.services.chat.run import ChatRun
from app.services.chat.selector import LLMSelectorService
from tests.unit.chat.chat_house import Shelf, board, catalogue, exchange, request, run_of

ONE, TWO, THREE = (exchange(f"p{n}", f"question {n}", f"answer {n}", 10) for n in (1, 2, 3))
EXISTING = ConversationRef("c1", must_exist=True)
SESSION = ConversationRef("c1", must_exist=False)
FRESH = ConversationRef("c1", must_exist=False, fresh=True)


def filled(
    shelf: Shelf,
    ref: ConversationRef | None,
    window: HotWindow | None = None,
    *,
    messages: tuple[Message, ...] = (Message("user", "now"),),
    within: tuple[int, int] = (40, 8_000),
) -> ChatRun:
    asked = request(ref=ref, messages=messages)
    run = run_of(asked, LLMSelectorService(catalogue(), board(), "priority").plan(asked), window)
    Recall(shelf, *within).fill(run)
    return run


def sent(run: ChatRun) -> list[str]:
    return [f"{message.role}: {message.content}" for message in run.prompt]


def test_without_a_conversation_what_came_is_sent() -> None:
    shelf = Shelf()
    run = filled(shelf, None)
    assert sent(run) == ["user: now"]
    assert (run.row_id, run.question, shelf.reads) == (None, "now", 0)


def test_a_window_that_can_be_trusted_costs_no_sql() -> None:
    shelf = Shelf(c1=(*ONE, *TWO))
    run = filled(shelf, EXISTING, HotWindow("row-1", (*ONE, *TWO), 7))
    assert sent(run) == [
        "user: question 1", "assistant: answer 1", "user: question 2", "assistant: answer 2", "user: now",
    ]  # fmt: skip
    assert (run.row_id, run.is_new, run.rebuilt, shelf.reads) == ("row-1", False, None, 0)


@pytest.mark.parametrize(
    "window", [None, HotWindow("row-x", None, 3), HotWindow(None, None, 3), HotWindow(None, ONE, 3)]
)
def test_any_other_window_is_read_from_sql(window: HotWindow | None) -> None:
    shelf = Shelf(c1=(*ONE, *TWO))
    run = filled(shelf, EXISTING, window)
    assert len(sent(run)) == 5
    assert (run.row_id, run.is_new, run.rebuilt) == ("row-c1", False, (*ONE, *TWO))
    assert shelf.reads == 1


def test_an_unknown_conversation_is_not_found_and_an_unknown_session_begins() -> None:
    with pytest.raises(NotFound) as fault:
        filled(Shelf(), EXISTING)
    assert fault.value.field == "conversation_id"
    begun = filled(Shelf(), SESSION, HotWindow("row-proposed", None, 3))
    assert (begun.row_id, begun.is_new, begun.rebuilt, sent(begun)) == ("row-proposed", True, (), ["user: now"])
    assert filled(Shelf(), SESSION).row_id, "without Redis it gets an id as well"


def test_a_conversation_that_nobody_can_know_is_not_looked_up() -> None:
    shelf = Shelf(c1=ONE)
    run = filled(shelf, FRESH, HotWindow("row-proposed", None, 3))
    assert (run.row_id, run.is_new, sent(run), shelf.reads) == ("row-proposed", True, ["user: now"], 0)


def test_the_window_is_cut_to_whole_exchanges() -> None:
    shelf = Shelf(c1=(*ONE, *TWO, *THREE))
    assert len(filled(shelf, EXISTING, within=(5, 8_000)).window) == 4
    assert len(filled(shelf, EXISTING, within=(40, 25)).window) == 2
    assert filled(shelf, EXISTING, HotWindow("row-1", (*ONE, *TWO), 7), within=(40, 25)).window == TWO


def test_a_system_text_stays_in_front_and_is_no_question() -> None:
    messages = (Message("system", "be brief"), Message("user", "now"))
    run = filled(Shelf(c1=ONE), EXISTING, messages=messages)
    assert sent(run) == ["system: be brief", "user: question 1", "assistant: answer 1", "user: now"]
    assert run.question == "now"


def test_the_prompt_is_counted_with_its_window() -> None:
    run = filled(Shelf(c1=ONE), EXISTING)
    assert run.prompt_tokens == estimate_prompt(run.prompt) > 0


def test_replaces_leaves_out_that_exchange_and_all_after_it_and_reads_sql() -> None:
    shelf = Shelf(c1=(*ONE, *TWO, *THREE))
    ref = ConversationRef("c1", must_exist=True, replaces="p2")
    run = filled(shelf, ref, HotWindow("row-1", (*ONE, *TWO, *THREE), 7))
    assert sent(run) == ["user: question 1", "assistant: answer 1", "user: now"]
    assert shelf.reads == 1


def test_replaces_without_a_message_asks_the_old_question() -> None:
    ref = ConversationRef("c1", must_exist=True, replaces="p2")
    run = filled(Shelf(c1=(*ONE, *TWO)), ref, messages=(Message("system", "be brief"),))
    assert sent(run) == ["system: be brief", "user: question 1", "assistant: answer 1", "user: question 2"]
    assert run.question == "question 2"


def test_replaces_without_a_message_brings_the_old_questions_files() -> None:
    shelf = Shelf(c1=(*ONE, replace(TWO[0], attachments=("f",)), TWO[1]))
    ref = ConversationRef("c1", must_exist=True, replaces="p2")
    run = filled(shelf, ref, messages=())
    assert run.prompt[-1] == Message("user", (FilePart("attachments", id="f", of="again"), TextPart("question 2")))
    assert (run.question, run.attachments, run.carries) == ("question 2", ("f",), True)


def test_files_of_the_window_are_noted() -> None:
    assert not filled(Shelf(c1=ONE), EXISTING).carries
    run = filled(Shelf(c1=(replace(ONE[0], attachments=("f",)), ONE[1])), EXISTING)
    assert run.carries
    assert run.prompt[0].content == (FilePart("", id="f", of="earlier"), TextPart("question 1"))


def test_replaces_of_an_unknown_exchange_is_not_found() -> None:
    with pytest.raises(NotFound) as fault:
        filled(Shelf(c1=ONE), ConversationRef("c1", must_exist=True, replaces="p9"))
    assert fault.value.field == "replaces"


class Away(Shelf):
    """SQL that cannot be asked."""

    def window(self, *whose: object) -> None:  # type: ignore[override]
        raise Unavailable("away")


@pytest.mark.parametrize("ref", [FRESH, SESSION])
def test_fault_6_01_a_conversation_that_redis_never_saw_begins_without_sql(ref: ConversationRef) -> None:
    run = filled(Away(), ref, HotWindow("row-1", None, 3))
    assert sent(run) == ["user: now"]
    assert (run.row_id, run.is_new, run.rebuilt) == ("row-1", True, ())


@pytest.mark.parametrize(
    ("ref", "window"),
    [
        (SESSION, None),
        (SESSION, HotWindow("row-1", None, 3, model="m")),
        (EXISTING, HotWindow("row-1", None, 3)),
        (ConversationRef("c1", must_exist=False, replaces="p1"), HotWindow("row-1", None, 3)),
    ],
)
def test_fault_6_01_what_may_have_a_past_is_not_answered_without_it(
    ref: ConversationRef, window: HotWindow | None
) -> None:
    with pytest.raises(Unavailable):
        filled(Away(), ref, window)
