"""The plan of a request: who is asked, in which order, and what is said where nobody can."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.caller import Caller
from app.domain.catalogue import Model
from app.domain.chat import ChatRequest, ImagePart, Message, TextPart
from app.domain.errors import Forbidden, InvalidRequest, NotFound, UnsupportedMedia, UpstreamFailed
from app.services.chat.selector import PLANS_KEPT, LLMSelectorService
from tests.unit.chat.chat_house import CALLER, ROWS, board, catalogue, model, request

PICTURE = (Message("user", (TextPart("what is it?"), ImagePart("data:image/png;base64,aaaa"))),)


def selector(rows: tuple[Model, ...] = ROWS, strategy: str = "priority") -> LLMSelectorService:
    return LLMSelectorService(catalogue(rows), board(), strategy)


def names(found: LLMSelectorService, asked: ChatRequest) -> list[str]:
    return [candidate.model.name for candidate in found.plan(asked).candidates]


def test_the_model_asked_for_stands_first_and_the_catalogue_behind_it() -> None:
    assert names(selector(), request(name="b-large")) == ["b-large", "a-small", "a-sees"]
    assert names(selector(), request(name="auto")) == ["a-small", "a-sees", "b-large"]


def test_fallbacks_take_the_catalogues_place_and_doubles_are_dropped() -> None:
    asked = request(name="a-small", fallbacks=("b-large", "a-small", "b-large", "demo"))
    assert names(selector(), asked) == ["a-small", "b-large", "demo"]


def test_demo_answers_alone_or_where_nothing_real_is_there() -> None:
    assert names(selector(), request(name="demo")) == ["demo"]
    assert "demo" not in names(selector(), request(name="auto"))
    assert names(selector(ROWS[3:]), request(name="auto")) == ["demo"]


def test_integration_and_name_mean_one_row_and_an_integration_its_own() -> None:
    rows = (*ROWS, model("beta", "a-small", 4))
    assert names(selector(rows), request(name="beta/a-small", fallbacks=("demo",))) == ["a-small", "demo"]
    assert selector(rows).plan(request(name="beta/a-small")).candidates[0].model.integration == "beta"
    assert selector(rows).plan(request(name="a-small")).candidates[0].model.integration == "alpha"
    assert names(selector(rows), request(name="beta"))[0] == "b-large"


def test_a_candidate_bears_the_keys_of_its_provider() -> None:
    for candidate in selector().plan(request(name="auto")).candidates:
        assert [key.integration for key in candidate.pool] == [candidate.model.integration]


@pytest.mark.parametrize("name", ["nope", "", "alpha/nope", "nobody/a-small", "alpha/", "/", "AUTO"])
def test_fault_2_12_an_unknown_model_is_not_found(name: str) -> None:
    with pytest.raises(NotFound) as fault:
        selector().plan(request(name=name))
    assert fault.value.field == "model"


def test_fault_2_14_a_wrong_fallback_names_its_place() -> None:
    with pytest.raises(InvalidRequest) as fault:
        selector().plan(request(name="a-small", fallbacks=("b-large", "nope")))
    assert fault.value.field == "fallbacks[1]"


def _bound(*models: str) -> Caller:
    return replace(CALLER, models=frozenset(models))


def test_fault_2_12_a_model_beyond_the_keys_models_is_forbidden() -> None:
    with pytest.raises(Forbidden) as fault:
        selector().plan(request(name="a-small", caller=_bound("b-large")))
    assert fault.value.field == "model"
    with pytest.raises(Forbidden) as fault:
        selector().plan(request(name="b-large", fallbacks=("a-small",), caller=_bound("b-large")))
    assert fault.value.field == "fallbacks[0]"


@pytest.mark.parametrize("name", ["auto", "b-large", "beta", "beta/b-large"])
def test_fault_2_14_the_keys_models_bind_every_candidate(name: str) -> None:
    assert names(selector(), request(name=name, caller=_bound("beta/b-large"))) == ["b-large"]


def test_a_picture_goes_to_who_sees() -> None:
    asked = request(name="a-small", messages=PICTURE)
    assert names(selector(), asked) == ["a-sees"]
    assert [m.name for m, why in selector().plan(asked).skipped if "see" in why] == ["a-small", "b-large"]


def test_fault_2_16_where_nobody_sees_415_names_who_would() -> None:
    rows = (ROWS[0], replace(ROWS[1], unavailable="no key"), ROWS[3])
    with pytest.raises(UnsupportedMedia) as fault:
        selector(rows).plan(request(name="a-small", messages=PICTURE))
    assert fault.value.details == {"models": ["a-sees"]}


def test_who_may_only_ask_a_blind_model_is_told_who_sees() -> None:
    bound = _bound("a-small")
    with pytest.raises(UnsupportedMedia) as fault:
        selector().plan(request(name="a-small", messages=PICTURE, caller=bound))
    assert fault.value.details == {"models": ["a-sees"]}


def test_where_nobody_can_answer_the_reasons_are_told() -> None:
    rows = tuple(replace(row, unavailable="no key") for row in ROWS[:3])
    with pytest.raises(UpstreamFailed) as fault:
        selector(rows).plan(request(name="a-small"))
    assert "a-small: no key" in fault.value.message


def test_a_model_that_does_not_chat_is_no_chat_model() -> None:
    with pytest.raises(InvalidRequest) as fault:
        selector((*ROWS, model("alpha", "whisper", 4, chat=False))).plan(request(name="whisper"))
    assert fault.value.field == "model"


def test_a_strategy_of_the_request_orders_auto_and_nothing_else() -> None:
    cheap = replace(ROWS[2], price=replace(ROWS[2].price, input=0, output=0))  # type: ignore[type-var]
    found = selector((ROWS[0], ROWS[1], cheap, ROWS[3]))
    assert names(found, request(name="auto", strategy="lowest_cost"))[0] == "b-large"
    assert names(found, request(name="auto"))[0] == "a-small"
    assert names(found, request(name="a-small", strategy="lowest_cost"))[0] == "a-small"


def test_affinity_moves_the_last_model_to_the_front_where_the_choice_is_ours() -> None:
    found, asked = selector(), request(name="auto")
    plan = found.affine(asked, found.plan(asked), "b-large")
    assert (plan.candidates[0].model.name, plan.candidates[0].reason) == ("b-large", "affinity")
    assert len(plan.candidates) == 3
    wished = request(name="a-small")
    assert found.affine(wished, found.plan(wished), "b-large").candidates[0].model.name == "a-small"
    assert found.affine(asked, found.plan(asked), "gone").candidates[0].model.name == "a-small"


def test_what_is_asked_often_is_planned_once_and_never_past_a_change() -> None:
    rows = list(ROWS)
    known = catalogue()
    known._read = lambda: rows  # type: ignore[method-assign]
    found = LLMSelectorService(known, board(), "priority")
    assert found.plan(request(name="auto")) is found.plan(request(name="auto"))
    known.saw_epoch(1)
    rows[0] = replace(rows[0], active=False)
    known.saw_epoch(2)
    assert names(found, request(name="auto"))[0] == "a-sees"


def test_plans_kept_are_bounded() -> None:
    found = selector()
    for number in range(PLANS_KEPT + 10):
        found.plan(request(name="a-small", caller=_bound("a-small", f"m{number}")))
    assert len(found._wishes) <= PLANS_KEPT
