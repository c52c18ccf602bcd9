"""Who can serve a request, and in which order those who can are asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.catalogue import Model
from app.domain.money import Price
from app.domain.policies.selection import STEADY, STRATEGIES, Insight, Needs, unfit

MODEL = Model("a/m", "a", "m", context_window=100, tools=False)


@pytest.mark.parametrize(
    ("model", "needs", "reason"),
    [
        (MODEL, Needs(), None),
        (MODEL, Needs(tokens=100), None),
        (MODEL, Needs(tokens=101), "context window too small"),
        (MODEL, Needs(images=True), "does not see images"),
        (MODEL, Needs(tools=True), "uses no tools"),
        (replace(MODEL, tools=True, inputs=frozenset({"text", "image"})), Needs(images=True, tools=True), None),
        (replace(MODEL, context_window=None), Needs(tokens=10**9), None),
        (replace(MODEL, abilities_known=False), Needs(images=True, tools=True, tokens=10**9), None),
        (replace(MODEL, active=False, abilities_known=False), Needs(), "switched off"),
        (replace(MODEL, chat=False, abilities_known=False), Needs(), "no chat model"),
        (replace(MODEL, unavailable="no key", active=False), Needs(), "no key"),
    ],
)
def test_a_model_is_unfit_for_a_reason_that_is_known(model: Model, needs: Needs, reason: str | None) -> None:
    assert unfit(model, needs) == reason


prices = st.none() | st.builds(Price, input=st.integers(0, 9), output=st.integers(0, 9))
catalogues = st.lists(prices, max_size=8).map(
    lambda found: [replace(MODEL, id=f"a/{rank}", name=str(rank), rank=rank, price=p) for rank, p in enumerate(found)]
)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@given(models=catalogues, turn=st.integers(0, 1000), data=st.data())
def test_a_strategy_orders_and_neither_adds_nor_drops(
    name: str, models: list[Model], turn: int, data: st.DataObject
) -> None:
    mixed = data.draw(st.permutations(models))
    ordered = STRATEGIES[name](mixed, Insight(turn, lambda: 0.5, {}, {}))
    assert sorted(model.id for model in ordered) == sorted(model.id for model in models)


@pytest.mark.parametrize("name", sorted(STEADY))
@given(models=catalogues, data=st.data())
def test_a_steady_strategy_knows_no_chance(name: str, models: list[Model], data: st.DataObject) -> None:
    mixed = data.draw(st.permutations(models))
    assert STRATEGIES[name](mixed, Insight()) == STRATEGIES[name](models, Insight())


@given(catalogues)
def test_priority_is_the_catalogues_own_order(models: list[Model]) -> None:
    assert STRATEGIES["priority"](models[::-1], Insight()) == models


@given(catalogues)
def test_lowest_cost_puts_the_cheapest_first_and_the_unknown_last(models: list[Model]) -> None:
    ordered = STRATEGIES["lowest_cost"](models, Insight())
    costs = [model.price.input + model.price.output if model.price else None for model in ordered]
    known = [cost for cost in costs if cost is not None]
    assert costs == sorted(known) + [None] * (len(costs) - len(known))


def test_round_robin_lets_each_be_the_first_in_turn() -> None:
    models = [replace(MODEL, id=f"a/{rank}", rank=rank) for rank in range(3)]
    firsts = [STRATEGIES["round_robin"](models, Insight(turn=turn))[0].rank for turn in range(6)]
    assert firsts in ([0, 1, 2] * 2, [1, 2, 0] * 2)
