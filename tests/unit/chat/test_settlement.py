"""What a chat leaves behind, by how it ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.chat import ConversationRef
from app.domain.errors import Unavailable
from app.domain.events import Delta, Finish
from app.domain.hot import HotWindow
from app.domain.ledger import SettledChat, State
from app.domain.usage import Usage
from app.services.chat.run import ChatRun
from app.services.chat.selector import LLMSelectorService
from app.services.chat.settlement import TITLE_LENGTH, Settlement
from app.services.ledger.ledger import Ledger
from tests.unit.chat.chat_house import PRICE, Book, board, catalogue, request, run_of

REF = ConversationRef("c1", must_exist=True)


def answered(text: str = "hi there", *, ref: ConversationRef | None = REF, question: str = "hello") -> ChatRun:
    asked = request(question, ref=ref)
    run = run_of(asked, LLMSelectorService(catalogue(), board(), "priority").plan(asked), HotWindow("row", (), 7))
    run.row_id, run.question, run.prompt_tokens = "row", question, 40
    run.begin(run.plan.candidates[0].model, "alpha:1", rescuing=False, prompt_tokens=run.prompt_tokens)
    if text:
        run.transcript.add(Delta(text))
        run.transcript.finish(Finish("stop"))
    return run


def settled(run: ChatRun, state: State = "complete") -> Book:
    book = Book()
    Settlement(Ledger(book, book)).settle(run, state)
    return book


def test_a_whole_answer_is_a_row_two_messages_and_a_window_entry() -> None:
    run = answered()
    run.usage = Usage(prompt=10, completion=5, cached=2)
    [chat], [hot] = (book := settled(run)).rows, book.hot
    assert (chat.row.state, chat.row.prompt_id, chat.row.model, chat.row.provider) == (
        "complete", run.request.prompt_id, "a-small", "alpha",
    )  # fmt: skip
    assert chat.row.usage == run.usage
    assert chat.row.charge == PRICE.charge(10, 5, 2)
    assert [(m.role, m.content, m.prompt_id) for m in chat.messages] == [
        ("user", "hello", run.request.prompt_id),
        ("assistant", "hi there", run.request.prompt_id),
    ]
    assert (chat.messages[1].model, chat.messages[1].state) == ("a-small", "complete")
    assert hot.exchange == chat.messages
    assert (hot.version, hot.conversation_row, hot.drop) == (7, "row", False)


def test_it_is_settled_once() -> None:
    run, book = answered(), Book()
    settlement = Settlement(Ledger(book, book))
    settlement.settle(run, "complete")
    settlement.settle(run, "client_gone")
    settlement.complete(run)
    assert [chat.row.state for chat in book.rows] == ["complete"]
    assert len(book.hot) == 1


@pytest.mark.parametrize("state", ["client_gone", "upstream_failed", "stalled", "budget_cut", "refused", "crashed"])
def test_what_the_caller_was_sent_is_kept_with_its_state(state: State) -> None:
    [chat] = settled(answered("a part"), state).rows
    assert [m.content for m in chat.messages] == ["hello", "a part"]
    assert chat.messages[1].state == chat.row.state == state
    assert chat.row.usage.source == "counted"
    assert (chat.row.charge or 0) > 0


def test_without_content_nothing_is_kept_but_the_row() -> None:
    [chat], [hot] = (book := settled(answered(""), "upstream_failed")).rows, book.hot
    assert (chat.messages, chat.conversation, hot.exchange) == ((), None, ())
    assert (chat.row.usage.total, chat.row.charge) == (0, 0)


def test_the_openai_door_keeps_no_message() -> None:
    [chat] = settled(answered(ref=None)).rows
    assert (chat.messages, chat.conversation) == ((), None)


def test_fault_3_11_a_nul_in_an_answer_is_shown_for_what_it_is() -> None:
    run = answered("a\0b")
    run.transcript.add(Delta(reasoning="x\0y"))
    [chat] = settled(run).rows
    assert (chat.messages[1].content, chat.messages[1].reasoning) == ("a\ufffdb", "x\ufffdy")
    assert run.transcript.answers()[0].text == "a\0b"


def test_a_title_is_one_line_of_the_question() -> None:
    [chat] = settled(answered(question="  what\n\n is\t" + "x" * 200)).rows
    assert chat.conversation is not None
    assert chat.conversation.title == ("what is " + "x" * 200)[:TITLE_LENGTH]


def test_a_model_without_a_price_has_no_charge() -> None:
    run = answered()
    assert run.model is not None
    run.model = replace(run.model, price=None)
    [chat] = settled(run).rows
    assert (chat.row.charge, chat.row.price) == (None, None)


def test_an_exchange_that_replaces_throws_the_window_away() -> None:
    ref = ConversationRef("c1", must_exist=True, replaces="p1")
    book = settled(answered(ref=ref))
    assert book.hot[0].drop
    assert book.rows[0].conversation is not None
    assert book.rows[0].conversation.replaces == "p1"
    assert not settled(answered("", ref=ref), "upstream_failed").hot[0].drop


def test_redis_is_let_go_of_though_the_commit_failed() -> None:
    run, book = answered(), Book(fault=Unavailable("away"))
    with pytest.raises(Unavailable):
        Settlement(Ledger(book, book)).complete(run)
    assert len(book.hot) == 1
    assert run.settled


def test_a_chat_that_was_never_accepted_leaves_no_row_and_no_place() -> None:
    run, book = answered(""), Book()
    Settlement(Ledger(book, book)).release(run)
    assert book.rows == []
    [hot] = book.hot
    assert (hot.prompt_id, hot.exchange) == (run.request.prompt_id, ())


def test_counted_usage_covers_the_prompt_and_what_was_said() -> None:
    run = answered("four letters each.")
    usage = Settlement(Ledger(Book(), Book())).usage(run)
    assert (usage.prompt, usage.source) == (40, "counted")
    assert usage.completion == -(-len("four letters each.") // 4)


def test_fault_6_01_a_window_begun_without_sql_is_not_trusted_once_sql_has_the_exchange() -> None:
    run = answered()
    run.unsure = True
    _, after = settled(run).hot
    assert (after.drop, after.exchange, after.rebuilt) == (True, (), None)


def test_fault_6_01_a_window_begun_without_sql_serves_while_its_exchange_waits_for_sql() -> None:
    class Waiting(Book):
        def submit(self, chat: SettledChat) -> bool:  # type: ignore[override]
            super().submit(chat)
            return True

    run, book = answered(), Waiting()
    run.unsure = True
    assert Settlement(Ledger(book, book)).complete(run).degraded == "database"
    assert [hot.drop for hot in book.hot] == [False]
