"""Chats and ratings become evidence of the right model, kind and user, and a choice goes by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from app.domain.caller import Caller
from app.domain.chat import ChatRequest, ConversationRef, Message
from app.domain.errors import Unavailable
from app.domain.events import Attempt
from app.domain.finished import Finished
from app.domain.ledger import StoredMessage
from app.domain.policies.bandit import COMPLAINT_WEIGHT, Book, Weights
from app.domain.ratings import Rated, Rating
from app.domain.routing import Arm, Outcome, TaskKind
from app.services.chat.learning import Learner
from app.services.chat.routing_report import report
from app.services.chat.selector import LLMSelectorService
from tests.stores.sql_support import row
from tests.unit.chat.chat_house import ROWS, board, catalogue, request

AT = datetime(2026, 11, 21, 13, 0, tzinfo=UTC)
CALLER = Caller("user-1", "ada", "user")
CODE = "Write a function in Python that reverses a list"


class Kept:
    """Where the database would be."""

    def __init__(self) -> None:
        self.told: list[Outcome] = []
        self.answers: dict[str, tuple[str, str | None]] = {}
        self.arms: dict[TaskKind, dict[str, Arm]] = {}
        self.away = False

    def learn(self, outcomes: Sequence[Outcome], now: float, half_life: float) -> None:
        if self.away:
            raise Unavailable("the database is away")
        self.told += outcomes

    def all(self) -> dict[TaskKind, dict[str, Arm]]:
        return self.arms

    def prune(self, now: float, half_life: float) -> None: ...

    def answer(self, user_id: str, prompt_id: str) -> tuple[str, str | None] | None:
        return self.answers.get(prompt_id)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def learner(kept: Kept) -> Learner:
    return Learner(kept, Weights(), 7 * 86_400.0, clock=lambda: 0.0)


def ended(question: str = CODE, *, model: str = "auto", replaces: str | None = None, **facts: Any) -> Finished:
    home = ConversationRef("c", must_exist=True, replaces=replaces)
    asked = ChatRequest("p1", "app", CALLER, model, (Message("user", question),), conversation=home)
    extras = {name: facts.pop(name) for name in ("attempts", "earlier", "pictures") if name in facts}
    return Finished(asked, row(facts.pop("prompt_id", "p1"), **facts), question, "an answer", "row", None, 0, **extras)


def attempt(model: str, error: str | None) -> Attempt:
    return Attempt(1, model, "demo", None, "learned", 0, 900, error=error)


def rated(rating: int, before: int | None = None) -> Rated:
    return Rated(Rating("user-1", "p1", rating, None, "m", "demo", AT), "ada", before)


def test_an_answer_speaks_for_its_model_at_its_kind_of_task(learner: Learner, kept: Kept) -> None:
    learner.finished(ended(attempts=(attempt("m", None),)))
    learner.learn()
    (outcome,) = kept.told
    assert (outcome.kind, outcome.model, outcome.user_id) == ("code", "demo/m", "user-1")
    assert (outcome.good, outcome.weight, outcome.completion, outcome.ms) == (1, 1, 20, 900)


def test_nothing_is_learned_where_the_model_was_asked_for_or_the_answer_was_kept(learner: Learner, kept: Kept) -> None:
    learner.finished(ended(model="m"))
    learner.finished(ended(cached=True))
    learner.finished(ended(state="client_gone"))
    learner.learn()
    assert kept.told == []


def test_an_attempt_that_failed_speaks_against_its_model_and_a_limit_does_not(learner: Learner, kept: Kept) -> None:
    tried = (attempt("x", "server_error"), attempt("y", "rate_limited"), attempt("m", None))
    learner.finished(ended(attempts=tried))
    learner.learn()
    assert [(one.model, one.good, one.weight) for one in kept.told] == [("demo/x", 0, 1), ("demo/m", 1, 1)]


def test_an_answer_that_is_replaced_was_none(learner: Learner, kept: Kept) -> None:
    kept.answers["p0"] = ("demo/old", "Translate this into German")
    learner.finished(ended(replaces="p0"))
    learner.learn()
    complaint = kept.told[-1]
    assert (complaint.kind, complaint.model, complaint.good) == ("translation", "demo/old", -1)
    assert complaint.weight == COMPLAINT_WEIGHT - 1


def test_a_question_that_is_put_again_says_so_of_the_answer_before(learner: Learner, kept: Kept) -> None:
    kept.answers["p0"] = ("demo/old", CODE)
    earlier = StoredMessage("p0", "user", CODE, 9, AT)
    learner.finished(ended(CODE + " please", earlier=earlier))
    learner.finished(ended("Thanks, and what is a tuple?", earlier=earlier))
    learner.learn()
    assert [one.model for one in kept.told if one.good < 0] == ["demo/old"]


def test_a_rating_counts_for_the_kind_of_what_was_asked(learner: Learner, kept: Kept) -> None:
    learner.finished(ended())
    learner.rated(rated(5))
    learner.learn()
    assert (kept.told[-1].kind, kept.told[-1].ratings) == ("code", 1)
    elsewhere = Learner(kept, Weights(), 1.0)  # another worker, which has only what is stored
    kept.answers["p1"] = ("demo/m", CODE)
    elsewhere.rated(rated(1, before=5))
    elsewhere.learn()
    assert (kept.told[-1].kind, kept.told[-1].weight) == ("code", 0)
    kept.answers["p1"] = ("demo/m", None)  # the OpenAI door stores no question
    stranger, known = Learner(kept, Weights(), 1.0), len(kept.told)
    stranger.rated(rated(1))
    stranger.learn()
    assert len(kept.told) == known


def test_pictures_are_a_kind_of_their_own(learner: Learner, kept: Kept) -> None:
    learner.finished(ended(pictures=True))
    learner.learn()
    assert kept.told[0].kind == "vision"


def test_what_could_not_be_written_is_written_later_in_its_order(learner: Learner, kept: Kept) -> None:
    kept.away = True
    learner.finished(ended())
    with pytest.raises(Unavailable):
        learner.learn()
    learner.rated(rated(5))
    kept.away = False
    learner.learn()
    assert [one.ratings for one in kept.told] == [0, 1]


def believing(kept: Kept, **means: float) -> None:
    """Much evidence for these models at code, with opinions of people among it."""
    names = {model.name: f"{model.integration}/{model.name}" for model in ROWS}
    kept.arms = {
        "code": {
            names[name.replace("_", "-")]: Arm(good=mean * 400, weight=400, ratings=50, chats=400, samples=400)
            for name, mean in means.items()
        }
    }


def chosen(selector: LLMSelectorService, question: str = CODE, **asked: Any) -> list[tuple[str, str]]:
    made = replace(request(name="auto", **asked), messages=(Message("user", question),))
    return [(candidate.model.name, candidate.reason) for candidate in selector.plan(made).candidates]


def test_the_learned_strategy_asks_first_whom_it_believes_in(learner: Learner, kept: Kept) -> None:
    believing(kept, a_small=0.3, a_sees=0.4, b_large=0.97)
    learner.look()
    selector = LLMSelectorService(catalogue(), board(), "priority", learner)
    plan = chosen(selector, strategy="learned")
    assert plan[0] == ("b-large", "learned")
    assert {name for name, _ in plan} == {"a-small", "a-sees", "b-large"}


def test_auto_goes_by_what_was_learned_once_enough_is_known_of_that_kind(learner: Learner, kept: Kept) -> None:
    selector = LLMSelectorService(catalogue(), board(), "priority", learner)
    assert chosen(selector)[0] == ("a-small", "priority")
    believing(kept, b_large=0.97)
    learner.look()
    assert chosen(selector)[0] == ("a-small", "priority")  # of one model alone nothing can be chosen
    believing(kept, a_small=0.2, a_sees=0.05, b_large=0.97)
    learner.look()
    assert chosen(selector)[0] == ("b-large", "learned")
    assert chosen(selector, "Hello there")[0] == ("a-small", "priority")  # nothing is known of chat
    assert chosen(selector, strategy="priority")[0] == ("a-small", "priority")  # who asks for it gets it


def test_a_conversation_stays_unless_another_model_is_clearly_better_or_the_answer_was_not_wanted(
    learner: Learner, kept: Kept
) -> None:
    selector = LLMSelectorService(catalogue(), board(), "learned", learner)

    def first(last: str, replaces: str | None = None, question: str = CODE) -> tuple[str, str]:
        home = ConversationRef("c", must_exist=True, replaces=replaces)
        asked = replace(request(name="auto"), messages=(Message("user", question),), conversation=home)
        candidate = selector.affine(asked, selector.plan(asked), last).candidates[0]
        return candidate.model.name, candidate.reason

    believing(kept, a_small=0.85, a_sees=0.1, b_large=0.9)
    learner.look()
    assert first("a-small") == ("a-small", "affinity")
    assert first("a-sees") != ("a-sees", "affinity")
    assert first("a-sees", question="Hello") == ("a-sees", "affinity")  # nothing speaks against it there
    believing(kept, a_small=0.5, a_sees=0.1, b_large=0.97)
    learner.look()
    assert first("a-small", replaces="p0")[1] == "learned"


def test_the_report_says_what_is_believed_and_why(learner: Learner, kept: Kept) -> None:
    believing(kept, a_small=0.3, b_large=0.9)
    models = catalogue().snapshot().find("auto")
    kinds = {found.kind: found for found in report(learner, models)}
    code = kinds["code"]
    assert code.auto
    assert not kinds["chat"].auto
    assert code.beliefs[0].model.name == "b-large"
    assert code.beliefs[0].low < code.beliefs[0].stake.mean < code.beliefs[0].high
    assert sum(belief.share for belief in code.beliefs) == pytest.approx(1)


def test_a_book_is_what_the_learner_writes(kept: Kept, learner: Learner) -> None:
    learner.finished(ended())
    learner.rated(rated(5))
    learner.learn()
    book = Book()
    book.learn(kept.told, 0.0, 1.0)
    assert book.arms["code", "demo/m"].ratings == 1
