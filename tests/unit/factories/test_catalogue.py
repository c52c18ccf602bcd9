"""The catalogue: rows, seeds, and that a new provider is one row."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any
from unittest.mock import Mock

import genai_prices
import pytest

from app.domain.errors import ProviderFault
from app.domain.money import FREE, NANO
from app.factories.catalogue import CATALOGUE, rooted, row_of
from app.factories.llm_service_factory import LLMServiceFactory
from app.factories.seed_models import SEED_MODELS, named_by_settings
from app.services.llm.anthropic import AnthropicService
from app.services.llm.demo import DemoService
from app.services.llm.demo_pictures import DemoPictures
from app.services.llm.embedded_vectors import EmbeddedVectors
from app.services.llm.gemini import GeminiService
from app.services.llm.google_sdk import GeminiPictures
from app.services.llm.openai_embeddings import OpenAIEmbeddings
from app.services.llm.openai_family import OpenAIFamilyService
from app.services.llm.openai_pictures import OpenAIPictures
from app.services.llm.pollinations import PollinationsPictures
from app.settings.table import PROVIDERS

NO_PICTURES = {"anthropic", "embedded"}
BY_NAME = {model.name: model for model in SEED_MODELS}


def test_the_services_follow_the_rows() -> None:
    factory = LLMServiceFactory(Mock())
    kinds = {name: type(factory.service(name)) for name, row in CATALOGUE.items() if row.chats}
    assert kinds == {
        "groq": OpenAIFamilyService,
        "gemini": GeminiService,
        "grok": OpenAIFamilyService,
        "openai": OpenAIFamilyService,
        "anthropic": AnthropicService,
        "ngrok": OpenAIFamilyService,
        "ollama": OpenAIFamilyService,
        "demo": DemoService,
    }


def test_those_who_draw_follow_the_rows_too() -> None:
    factory = LLMServiceFactory(Mock())
    makers = {name: type(factory.service(name, "picture")) for name in CATALOGUE if name not in NO_PICTURES}
    assert makers.pop("gemini") is GeminiPictures
    assert makers.pop("pollinations") is PollinationsPictures
    assert makers.pop("demo") is DemoPictures
    assert set(makers.values()) == {OpenAIPictures}


def test_those_who_make_vectors_follow_the_rows_too() -> None:
    factory = LLMServiceFactory(Mock())
    makers = {
        name: type(factory.service(name, "embedding"))
        for name, row in CATALOGUE.items()
        if row.wire in ("openai", "embedded")
    }
    assert makers.pop("embedded") is EmbeddedVectors
    assert set(makers.values()) == {OpenAIEmbeddings}
    with pytest.raises(ProviderFault):
        factory.service("anthropic", "embedding")


def test_a_service_is_built_once_and_one_of_an_unknown_provider_speaks_openais_wire() -> None:
    factory = LLMServiceFactory(Mock())
    assert factory.service("groq") is factory.service("groq")
    assert factory.service("groq") is not factory.service("grok")
    assert isinstance(factory.service("my-own"), OpenAIFamilyService)


def test_rows_are_frozen() -> None:
    row: Any = CATALOGUE["groq"]
    with pytest.raises(FrozenInstanceError):
        row.base_url = "http://evil"
    with pytest.raises(TypeError):
        CATALOGUE["x"] = row  # type: ignore[index]


def test_settings_and_catalogue_agree_on_the_providers() -> None:
    for name, row in PROVIDERS.items():
        assert rooted(row.base_url, CATALOGUE[name].wire) == CATALOGUE[name].base_url
    assert PROVIDERS.keys() == {name for name, row in CATALOGUE.items() if row.chats} - {"demo"}


@pytest.mark.parametrize(
    ("given", "wire", "expected"),
    [
        ("http://h:1", "openai", "http://h:1/v1"),
        ("http://h:1/", "openai", "http://h:1/v1"),
        ("http://h/openai/v1/", "openai", "http://h/openai/v1"),
        ("http://h/api", "openai", "http://h/api"),
        ("http://h/", "gemini", "http://h"),
        ("http://h", "anthropic", "http://h"),
    ],
)
def test_a_base_url_without_a_path_gets_v1_on_openais_wire_alone(given: str, wire: Any, expected: str) -> None:
    assert rooted(given, wire) == expected


def test_seeds_are_unique_ranked_and_belong_to_providers() -> None:
    assert len({(m.integration, m.name) for m in SEED_MODELS}) == len(SEED_MODELS)
    assert [m.rank for m in SEED_MODELS] == list(range(len(SEED_MODELS)))
    assert {m.integration for m in SEED_MODELS} <= {*CATALOGUE}


def test_the_first_of_all_is_the_default_of_auto_and_demo_the_last_that_chats() -> None:
    chats = [m.name for m in SEED_MODELS if m.chat]
    assert (chats[0], chats[-1]) == ("llama-3.1-8b-instant", "demo")


def test_what_is_no_chat_model_is_never_chosen_for_chat() -> None:
    assert {m.name for m in SEED_MODELS if not m.chat} == {
        "meta-llama/llama-prompt-guard-2-22m",
        "meta-llama/llama-prompt-guard-2-86m",
        "whisper-large-v3-turbo",
        "text-embedding-3-small",
        "text-embedding-3-large",
        "gemini-2.5-flash-image",
        "flux",
        "whisper-1",
        "wordllama-256",
    }


def test_every_chat_model_has_a_window_and_a_price() -> None:
    for model in SEED_MODELS:
        assert model.price is not None, model.name
        if model.chat:
            assert model.context_window, model.name
            assert model.integration == "demo" or model.price.input > 0, model.name


@pytest.mark.parametrize(
    ("integration", "provider"),
    [("groq", "groq"), ("gemini", "google"), ("grok", "x-ai"), ("openai", "openai"), ("anthropic", "anthropic")],
)
def test_prices_are_those_of_the_price_list(integration: str, provider: str) -> None:
    for model in SEED_MODELS:
        if model.integration != integration or not model.chat or model.name == "grok-beta":
            continue
        assert model.price is not None
        for tokens, price in (("input_tokens", model.price.input), ("output_tokens", model.price.output)):
            usage = genai_prices.Usage(**{tokens: 1_000})
            listed = genai_prices.calc_price(usage, model_ref=model.name, provider_id=provider)
            assert int(listed.total_price * NANO) * 1_000 == price, (model.name, tokens)


def test_a_model_named_by_a_setting_is_free_and_its_abilities_are_not_known() -> None:
    model = named_by_settings("ngrok", "gemini-2.5-flash")
    assert (model.integration, model.name, model.price, model.abilities_known) == (
        "ngrok",
        "gemini-2.5-flash",
        FREE,
        False,
    )


def test_a_provider_in_no_row_is_shown_under_its_own_name() -> None:
    assert row_of("my-own").name == "my-own"
