"""What a chat holds: when it asks for more, for another model, and when the provider must stream."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date

import pytest

from app.domain.caller import Bound, Budget, Caller
from app.domain.catalogue import Model
from app.domain.errors import BudgetExceeded, RateLimited
from app.domain.events import Delta, ToolCallPart
from app.domain.hot import Admission, Admitted, Grant, Renewal, Unbuilt
from app.domain.money import Price
from app.domain.policies.tokens import size_of
from app.services.ledger.away import Away
from app.services.ledger.bounds import BoundsBook
from app.services.ledger.hold import Hold
from app.services.ledger.treasury import Treasury

DAY = date(2026, 11, 21)
EVEN = Model("a", "groq", "a", price=Price(1_000_000, 1_000_000))
DEAR = Model("b", "groq", "b", price=Price(10_000_000, 10_000_000))
UNPRICED = Model("c", "groq", "c")
BUSY = Model("d", "groq", "d", price=Price(1_000_000, 1_000_000), rpm=5)
CALLER = Caller("u", "ann", "user", budget=Budget(10_000, "day"))


class Till:
    """Grants what was wished for as long as there is some."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.asked: list[Renewal] = []
        self.full = False

    def admit(self, admission: Admission) -> Admitted:
        raise NotImplementedError

    def renew(self, renewal: Renewal) -> Grant:
        self.asked.append(renewal)
        if self.full and any(bound.scope == "model" for bound in renewal.bounds):
            raise RateLimited("full", details={"limit": "model", "reason": "requests"})
        if self.left < renewal.needed:
            raise BudgetExceeded("spent", details={"reason": "spent"})
        amount = max(0, min(renewal.wanted, self.left))
        self.left -= amount
        return Grant(amount, self.left)

    def rebuild(self, unbuilt: Unbuilt, day: date, spent: int) -> bool:
        raise NotImplementedError

    def of(self, scope: str, name: str, budget: Budget, day: date, without: Collection[str] = ()) -> int:
        raise NotImplementedError


def hold(till: Till, granted: int, *, longest: int | None = None, leased: int = 0, choices: int = 1) -> Hold:
    book = BoundsBook(60, lambda: None)
    return Hold(
        Treasury(till, till, Away("closed", 1, till)),
        book,
        CALLER,
        "p",
        DAY,
        book.of(CALLER, EVEN),
        Grant(granted, till.left, leased or granted),
        slice_tokens=64,
        answer_tokens=100,
        longest=longest,
        choices=choices,
    )


def by_bytes(text: str) -> int:
    return -(-size_of(text) // 4)


def speak(held: Hold, tokens: int) -> int:
    """How many pieces of a token each came through."""
    for n in range(tokens):
        try:
            held.flowed(Delta(" abc"))
        except BudgetExceeded:
            return n
    return tokens


def test_it_renews_a_slice_at_a_time_and_never_before_it_must() -> None:
    till = Till(1_000)
    held = hold(till, 110)
    held.begin(EVEN, 10, 0, by_bytes)
    assert speak(held, 100) == 100
    assert till.asked == []
    assert speak(held, 65) == 65
    assert [renewal.wanted for renewal in till.asked] == [65]


def test_fault_5_14_it_ends_where_nothing_is_left() -> None:
    held = hold(Till(30), 110)
    held.begin(EVEN, 10, 0, by_bytes)
    assert speak(held, 1_000) == 130


def test_an_answer_that_is_paid_to_its_last_token_is_not_cut() -> None:
    held = hold(Till(0), 110, longest=100)
    held.begin(EVEN, 10, 0, by_bytes)
    assert speak(held, 500) == 500


def test_fault_5_11_what_failed_attempts_cost_is_not_there_for_the_next() -> None:
    held = hold(Till(0), 110)
    held.begin(EVEN, 10, 60, by_bytes)
    assert speak(held, 1_000) == 40


def test_a_dearer_model_takes_the_difference_before_it_is_asked_or_is_passed_over() -> None:
    till = Till(2_000)
    held = hold(till, 110)
    assert held.may_ask(DEAR, 20)
    assert till.left == 2_000 - (1_200 - 110)
    assert not hold(Till(50), 110).may_ask(DEAR, 20)


def test_fault_5_03_a_model_without_a_price_is_passed_over_under_a_budget() -> None:
    held = hold(Till(10_000), 110)
    assert not held.may_ask(UNPRICED, 10)
    assert held.refused is not None
    assert held.refused.details["reason"] == "price_unknown"


def test_a_model_with_limits_of_its_own_is_counted_there_once_and_passed_over_where_it_is_full() -> None:
    till = Till(10_000)
    held = hold(till, 500)
    assert held.may_ask(BUSY, 10)
    assert held.may_ask(BUSY, 10)
    assert [bound.scope for bound in till.asked[0].bounds] == ["user", "model"]
    assert len(till.asked) == 1
    assert Bound("model", "d", held.bounds[-1].limits) == held.bounds[-1]
    till.full = True
    again = hold(till, 500)
    assert not again.may_ask(BUSY, 10)
    assert isinstance(again.refused, RateLimited)


@pytest.mark.parametrize(
    ("left", "granted", "longest", "leased", "near"),
    [
        (10**6, 110, None, 110, False),
        (1_000, 110, None, 110, True),
        (0, 110, 100, 110, False),
        (100_000, 110, None, 11_000, True),
    ],
)
def test_near_the_cap_the_provider_must_stream(
    left: int, granted: int, longest: int | None, leased: int, near: bool
) -> None:
    assert hold(Till(left), granted, longest=longest, leased=leased).near_the_cap(EVEN, 10) is near


@pytest.mark.parametrize(
    "piece",
    [
        Delta(tool_calls=(ToolCallPart(0, "c1", "look", "x" * 396),)),
        Delta("語" * 133),
        Delta(reasoning="é" * 200),
    ],
    ids=["tool call", "not ascii", "reasoning"],
)
def test_a_large_piece_is_as_many_tokens_as_it_has_bytes_for(piece: Delta) -> None:
    held = hold(Till(0), 110)
    held.begin(EVEN, 10, 0, by_bytes)
    held.flowed(piece)
    with pytest.raises(BudgetExceeded):
        held.flowed(piece)


def test_fault_5_11_what_the_attempt_cost_that_just_failed_is_not_there_for_the_next() -> None:
    held = hold(Till(0), 110, longest=40)
    held.begin(EVEN, 10, 0, by_bytes)
    assert held.may_ask(EVEN, 60)
    assert not held.near_the_cap(EVEN, 10)
    assert speak(held, 50) == 50
    assert not held.may_ask(EVEN, 60)
    assert held.near_the_cap(EVEN, 20)
    held.begin(EVEN, 10, 60, by_bytes)
    assert held.may_ask(EVEN, 49)
    assert not held.may_ask(EVEN, 50)


@pytest.mark.parametrize(
    ("granted", "longest", "choices", "max_output", "near"),
    [
        (130, 200, 2, 60, False),
        (129, 200, 2, 60, True),
        (129, 120, 2, 1_000, True),
        (60_009, None, 1, 60_000, True),
        (60_010, None, 1, 60_000, False),
    ],
)
def test_the_largest_answer_is_what_the_model_may_say_in_every_choice(
    granted: int, longest: int | None, choices: int, max_output: int, near: bool
) -> None:
    held = hold(Till(0), granted, longest=longest, choices=choices)
    assert held.near_the_cap(replace(EVEN, max_output=max_output), 10) is near
