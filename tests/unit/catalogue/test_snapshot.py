"""What a name means, and what can answer, at one moment of the catalogue."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.domain.catalogue import Model, Provider
from app.services.catalogue.snapshot import Snapshot
from tests.unit.chat.chat_house import PROVIDERS, ROWS, model, provider


def snapshot(*rows: Model, **providers: Provider) -> Snapshot:
    return Snapshot(rows or ROWS, PROVIDERS | providers)


def ids(rows: tuple[Model, ...]) -> list[str]:
    return [row.id for row in rows]


def test_rows_stand_in_the_catalogues_order() -> None:
    assert ids(snapshot(*ROWS[::-1]).models) == ids(ROWS)


def test_a_bare_name_means_its_first_row_then_the_others() -> None:
    second = model("beta", "a-small", 9)
    found = snapshot(second, *ROWS)
    assert ids(found.find("a-small")) == ["alpha/a-small", "beta/a-small"]
    assert ids(found.find("beta/a-small")) == ["beta/a-small"]
    assert (found.shown_name(ROWS[0]), found.shown_name(second)) == ("a-small", "beta/a-small")


def test_a_name_with_a_slash_of_its_own_is_a_name() -> None:
    found = snapshot(*ROWS, model("beta", "maker/model", 9))
    assert ids(found.find("maker/model")) == ["beta/maker/model"]
    assert ids(found.find("beta/maker/model")) == ["beta/maker/model"]


@pytest.mark.parametrize("name", ["nope", "", "/", "alpha/", "/a-small", "alpha/b-large", "nobody/a-small", "a-small/"])
def test_an_unknown_name_means_nothing(name: str) -> None:
    assert snapshot().find(name) == ()


def test_auto_means_all_that_can_answer_and_demo_where_nothing_real_is_there() -> None:
    assert ids(snapshot().find("auto")) == ["alpha/a-small", "alpha/a-sees", "beta/b-large"]
    away = {name: replace(PROVIDERS[name], unavailable="no key") for name in ("alpha", "beta")}
    assert ids(snapshot(**away).find("auto")) == ["demo/demo"]


def test_image_means_those_that_see() -> None:
    assert ids(snapshot().find("image")) == ["alpha/a-sees"]


def test_an_integration_means_its_chat_models_the_chosen_one_first() -> None:
    rows = (*ROWS, model("alpha", "a-draws", 9, chat=False))
    assert ids(snapshot(*rows).find("alpha")) == ["alpha/a-small", "alpha/a-sees"]
    assert ids(snapshot(*rows, alpha=provider("alpha", default_model="a-sees")).find("alpha"))[0] == "alpha/a-sees"


def test_a_row_that_cannot_answer_is_listed_with_the_reason_and_left_out_of_auto() -> None:
    found = snapshot(replace(ROWS[0], unavailable="withdrawn"), *ROWS[1:], beta=provider("beta", unavailable="no key"))
    assert {row.id: row.unavailable for row in found.models} == {
        "alpha/a-small": "withdrawn",
        "alpha/a-sees": None,
        "beta/b-large": "no key",
        "demo/demo": None,
    }
    assert ids(found.find("auto")) == ["alpha/a-sees"]


def test_a_row_with_its_own_address_needs_no_provider() -> None:
    found = snapshot(*ROWS, model("mine", "m", 9, base_url="http://127.0.0.1:1/v1"), model("gone", "g", 10))
    assert {row.id: row.unavailable for row in found.models[-2:]} == {
        "mine/m": None,
        "gone/g": "no such provider here",
    }


def test_aliases_are_words_for_a_choice() -> None:
    aliases = snapshot().aliases
    assert {"auto", "image", "alpha", "beta"} <= set(aliases)
    assert "demo" not in aliases, "it is a model's own name"
