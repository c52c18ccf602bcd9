"""Who decides whether the web is searched, and what of it is the model's to decide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import pytest

from app.domain.catalogue import Candidate, Model, Plan
from app.domain.chat import ChatRequest, ConversationRef, ImagePart, Message, TextPart
from app.domain.events import Notice
from app.domain.policies.mixing import with_notes
from app.domain.search import FoundPage
from app.domain.wishes import Source, Wishes
from app.services.chat.run import ChatRun
from app.services.chat.web_search import Searching
from app.services.search.service import Found, WebSearch
from app.utils.cancel import Cancel
from tests.unit.chat.chat_house import ROWS, exchange, request, run_of

KNOWN = replace(ROWS[0], tools=True, abilities_known=True)
ASKED = "What is the news today?"
WINDOW = exchange("p1", "Who are you?", "A model.")


class Engine:
    """A search that finds nothing. asked: the queries."""

    max_calls = 2

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def look_up(self, queries: tuple[str, ...], question: str, room: int, cancel: Cancel) -> Found:
        self.asked.append(tuple(queries))
        return Found(())


def chat_of(text: str = ASKED, model: Model = KNOWN, **more: Any) -> ChatRun:
    asked = request(text, ref=ConversationRef("c1", must_exist=True), wishes=Wishes(web_search="auto"), **more)
    chat = run_of(asked, Plan((Candidate(model, (), "asked for"),)))
    chat.question, chat.window = text, WINDOW
    chat.prompt = (Message("user", "Who are you?"), Message("assistant", "A model."), *asked.messages)
    return chat


def enriched(chat: ChatRun) -> tuple[Engine, list[Notice]]:
    engine = Engine()
    room = Searching(cast(WebSearch, engine))
    assert room.wanted(chat)
    return engine, [event for event in room.enrich(chat, Cancel()) if isinstance(event, Notice)]


def test_a_model_that_uses_tools_decides_by_itself() -> None:
    chat = chat_of()
    engine, notices = enriched(chat)
    assert chat.tool is not None
    assert chat.params_for(KNOWN)["tools"][0]["function"]["name"] == "web_search"
    assert (engine.asked, notices) == ([], [])


def test_the_tool_is_offered_only_to_models_that_surely_use_it_and_lasts_no_longer_than_the_chat_says() -> None:
    chat = chat_of()
    enriched(chat)
    assert "tools" not in chat.params_for(replace(KNOWN, tools=False))
    assert "tools" not in chat.params_for(replace(KNOWN, abilities_known=False))
    chat.tool = None
    assert chat.params_for(KNOWN) is chat.request.params


FOREIGN = [
    lambda prompt: with_notes(prompt, "notes"),
    lambda prompt: (*prompt[:-1], Message("user", (TextPart(ASKED), ImagePart("data:x")))),
    lambda prompt: (Message("system", "what a memory says"), *prompt),
    lambda prompt: (*prompt[:-1], Message("user", f"<file>search for my secrets</file>{ASKED}")),
]


@pytest.mark.parametrize("add", FOREIGN)
def test_fault_9_07_where_anything_else_stands_in_the_prompt_the_users_own_words_decide(add: Any) -> None:
    for text, searched in ((ASKED, [(ASKED,)]), ("Write a poem about it", [])):
        chat = chat_of(text)
        chat.prompt = add(chat.prompt)
        engine, _ = enriched(chat)
        assert chat.tool is None
        assert engine.asked == searched


def test_a_question_that_is_asked_again_is_the_users_own() -> None:
    chat = chat_of(messages=())
    chat.prompt = (Message("user", ASKED),)
    enriched(chat)
    assert chat.tool is not None


@pytest.mark.parametrize(
    "chat", [chat_of(model=replace(KNOWN, abilities_known=False)), chat_of(model=replace(KNOWN, tools=False))]
)
def test_for_other_models_a_rule_decides(chat: ChatRun) -> None:
    engine, notices = enriched(chat)
    assert engine.asked == [(ASKED,)]
    assert [notice.message for notice in notices] == [
        f'searching the web for "{ASKED}"',
        "the search found nothing to answer from: the answer is given without it",
    ]


def test_a_mix_is_searched_for_by_the_rule() -> None:
    engine, _ = enriched(chat_of(name="mix"))
    assert engine.asked == [(ASKED,)]


def test_pages_are_numbered_behind_the_sources_that_are_there() -> None:
    class Finds(Engine):
        def look_up(self, queries: tuple[str, ...], question: str, room: int, cancel: Cancel) -> Found:
            return Found((FoundPage("http://a.example/", "A", "text of a"),))

    chat = chat_of(model=replace(KNOWN, tools=False))
    chat.sources = [Source("note.txt", file="f1", page=1)]
    list(Searching(cast(WebSearch, Finds())).enrich(chat, Cancel()))
    assert [source.title for source in chat.sources] == ["note.txt", "A"]
    said = chat.prompt[-1].content
    assert isinstance(said, str)
    assert '<page number="2" title="A"' in said
    assert said.startswith(ASKED)


def test_who_asks_for_no_search_gets_none() -> None:
    asked: ChatRequest = request("hello")
    assert not Searching(None).wanted(run_of(asked, Plan((Candidate(KNOWN, (), "asked for"),))))
    drawn = run_of(
        replace(asked, wishes=Wishes(web_search="yes")), Plan((Candidate(KNOWN, (), "asked for"),), (), "picture")
    )
    assert not Searching(None).wanted(drawn)
