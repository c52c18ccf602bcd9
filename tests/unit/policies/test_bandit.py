"""Beliefs about models: learned, bounded for one user, fading, noticing that a model fell."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.catalogue import Model
from app.domain.money import Price
from app.domain.policies import bandit
from app.domain.policies.bandit import Book, Weights, fade, known_enough, sampled, stakes
from app.domain.policies.evidence import answered, complained, failed, rated
from app.domain.routing import Arm, Outcome
from app.domain.usage import Usage

DAY = 86_400.0
WEEK = 7 * DAY
GOOD, BAD = Model("p/good", "p", "good"), Model("p/bad", "p", "bad", rank=1)
USAGE = Usage(100, 200)


def say(model: str, user: str, *, well: bool = True) -> Outcome:
    return answered("code", model, user, USAGE, 1000) if well else failed("code", model, user)


def arm(book: Book, model: str = "p/good") -> Arm:
    return book.arms["code", model]


def test_what_served_well_is_chosen_and_what_did_not_now_and_then() -> None:
    book, dice = Book(), random.Random(1)
    for n in range(60):
        book.learn([say("p/good", f"u{n % 9}"), say("p/bad", f"u{n % 9}", well=n % 3 == 0)], 0.0, WEEK)
    arms = {name: found for (_, name), found in book.arms.items()}
    firsts = [sampled([BAD, GOOD], arms, Weights(), dice.betavariate)[0].name for _ in range(200)]
    assert firsts.count("good") > 190


def test_what_was_never_seen_gets_its_chance() -> None:
    book, dice = Book(), random.Random(1)
    book.learn([say("p/good", f"u{n}", well=n % 5 > 0) for n in range(50)], 0.0, WEEK)
    arms = {name: found for (_, name), found in book.arms.items()}
    firsts = [sampled([GOOD, BAD], arms, Weights(), dice.betavariate)[0].name for _ in range(200)]
    assert firsts.count("bad") > 40


def test_evidence_counts_half_after_a_half_life() -> None:
    book = Book()
    book.learn([say("p/good", "u")], 0.0, WEEK)
    before = arm(book).weight
    fade(arm(book), WEEK, WEEK)
    assert arm(book).weight == pytest.approx(before / 2)
    fade(arm(book), DAY, WEEK)  # another worker's clock is behind
    assert arm(book).weight == pytest.approx(before / 2)


@pytest.mark.parametrize("times", [1_000, 100_000])
def test_fault_9_10_one_user_moves_a_belief_by_a_bounded_weight(times: int) -> None:
    book = Book()
    book.learn([say("p/good", f"u{n % 30}") for n in range(600)], 0.0, WEEK)
    others = stakes([GOOD], {"p/good": arm(book)}, Weights(0, 0))[0].mean
    weight = arm(book).weight
    enemy = [rated("code", "p/good", "enemy", 1, None)] * times
    book.learn(enemy, 0.0, WEEK)
    moved = stakes([GOOD], {"p/good": arm(book)}, Weights(0, 0))[0].mean
    assert book.shares["code", "p/good", "enemy"].weight <= bandit.USER_WEIGHT
    assert arm(book).weight <= weight + bandit.USER_WEIGHT
    assert moved >= others * weight / (weight + bandit.USER_WEIGHT) - 0.02
    assert moved > 0.8


def test_fault_9_10_one_prompt_rated_again_and_again_is_one_opinion() -> None:
    book = Book()
    book.learn([rated("code", "p/good", "u", 5, None)], 0.0, WEEK)
    before = None
    for n in range(1000):
        now = 1 + n % 5
        book.learn([rated("code", "p/good", "u", now, 5 if before is None else before)], 0.0, WEEK)
        before = now
    assert arm(book).weight == pytest.approx(bandit.RATING_WEIGHT)
    assert arm(book).ratings == 1
    assert arm(book).good == pytest.approx(bandit.RATING_WEIGHT)


def test_a_model_that_fell_is_noticed_by_what_came_last() -> None:
    book = Book()
    book.learn([say("p/good", f"u{n % 20}", well=n % 10 > 0) for n in range(1000)], 0.0, WEEK)
    assert stakes([GOOD], {"p/good": arm(book)}, Weights(0, 0))[0].mean > 0.85
    book.learn([say("p/good", f"u{n % 20}", well=n % 3 == 0) for n in range(30)], 0.0, WEEK)
    fallen = stakes([GOOD], {"p/good": arm(book)}, Weights(0, 0))[0].mean
    assert fallen < 0.65


def test_fault_9_10_one_user_alone_does_not_make_a_model_fall() -> None:
    book = Book()
    book.learn([say("p/good", f"u{n % 20}") for n in range(1000)], 0.0, WEEK)
    book.learn([say("p/good", "enemy", well=False) for _ in range(1000)], 0.0, WEEK)
    assert arm(book).weight > 10 * bandit.ANEW
    assert stakes([GOOD], {"p/good": arm(book)}, Weights(0, 0))[0].mean > 0.8


def test_a_complaint_turns_an_answer_into_more_than_one_bad_one() -> None:
    book = Book()
    book.learn([say("p/good", "u"), complained("code", "p/good", "u")], 0.0, WEEK)
    assert (arm(book).good, arm(book).weight) == pytest.approx((0.0, bandit.COMPLAINT_WEIGHT))


def test_cost_and_slowness_take_off_what_they_weigh_of_the_dearest_and_slowest() -> None:
    cheap = Model("p/cheap", "p", "cheap", price=Price(1_000_000, 1_000_000))
    dear = Model("p/dear", "p", "dear", price=Price(10_000_000, 10_000_000))
    unpriced = Model("p/unpriced", "p", "unpriced")
    arms = {f"p/{n}": Arm(good=90, weight=100, chats=100, prompt=1e4, completion=1e4) for n in ("cheap", "dear")}
    arms["p/cheap"].ms, arms["p/dear"].ms = 100_000, 400_000
    small, large, none = stakes([cheap, dear, unpriced], arms, Weights(0.2, 0.1))
    assert large.minus == pytest.approx(0.3, abs=0.01)
    assert small.minus == pytest.approx(0.2 / 10 + 0.1 / 4, abs=0.01)
    assert none.minus == pytest.approx(0.2 + 0.1 * 2.5 / 4, abs=0.02)  # as quick as the others, as dear as the dearest
    assert small.mean == large.mean


def test_a_free_catalogue_has_no_dearest() -> None:
    free = [Model(f"p/{n}", "p", n, price=Price(0, 0)) for n in "ab"]
    assert [stake.minus for stake in stakes(free, {}, Weights())] == [0.0, 0.0]


def test_enough_is_known_with_evidence_and_opinions() -> None:
    assert not known_enough(Arm(weight=1000))
    assert not known_enough(Arm(weight=15, ratings=5))
    assert known_enough(Arm(weight=20, ratings=5))


outcomes = st.builds(
    Outcome,
    kind=st.sampled_from(["code", "chat"]),
    model=st.sampled_from(["p/a", "p/b"]),
    user_id=st.sampled_from(["u", "v", "w"]),
    good=st.floats(-4, 4),
    weight=st.floats(0, 4),
)


@settings(deadline=None)  # it is the sums that are tried, not the machine
@given(st.lists(outcomes, max_size=80), st.lists(st.floats(0, 1e6), max_size=5))
def test_sums_stay_sound_whatever_is_told(told: list[Outcome], moments: list[float]) -> None:
    book = Book()
    for moment in moments or [0.0]:
        book.learn(told, moment, WEEK)
    for found in book.arms.values():
        assert 0 <= found.good <= found.weight + 1e-9
        assert len(found.recent) <= bandit.RECENT
        stakes([Model("p/a", "p", "a")], {"p/a": found}, Weights())
    for share in book.shares.values():
        assert 0 <= share.good <= share.weight + 1e-9 <= bandit.ALONE_WEIGHT + 2e-9
