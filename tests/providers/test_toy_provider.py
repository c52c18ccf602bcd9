"""Where a new provider goes: a row in the catalogue, and nothing else where its wire is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.adapters.openai_chat import Dialect
from app.factories.catalogue import CATALOGUE, ProviderRow
from app.factories.llm_service_factory import LLMServiceFactory
from app.transport.pooled import PooledTransport
from tests.journeys.gateway import Gateway
from tests.providers.asking import SAID, Asker, Member
from tests.providers.fixtures import ROOT, EmulatedProviders
from tests.providers.toy_house import SITECUSTOMIZE

TOYS = {
    "toy": ProviderRow("toy", "Toy", "openai", "https://toy.example/v1", "TOY", dialect=Dialect(max_tokens="max_new")),
    "toy-gemini": ProviderRow("toy-gemini", "Toy G", "gemini", "https://toy.example", "TOYG"),
    "toy-claude": ProviderRow("toy-claude", "Toy C", "anthropic", "https://toy.example", "TOYC"),
}


@pytest.mark.parametrize(
    "member", [Member("toy", "/toy/v1"), Member("toy-gemini", ""), Member("toy-claude", "")], ids=str
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_row_is_all_that_a_new_provider_takes(upstream: EmulatedProviders, member: Member, stream: bool) -> None:
    factory = LLMServiceFactory(PooledTransport(connect_timeout=2, pool_size=2), {**CATALOGUE, **TOYS})
    heard = Asker(factory, upstream, member).ask(stream=stream, max_tokens=50)
    assert (heard.text, heard.finish) == (SAID, "stop")


def test_what_a_row_says_differently_is_sent_differently(upstream: EmulatedProviders) -> None:
    factory = LLMServiceFactory(PooledTransport(connect_timeout=2, pool_size=2), {**CATALOGUE, **TOYS})
    Asker(factory, upstream, Member("toy", "/v1")).ask(max_tokens=50)
    assert upstream.log()[0]["body"]["max_new"] == 50


def test_a_new_provider_answers_at_every_door_by_its_two_rows_alone(
    upstream: EmulatedProviders, tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(SITECUSTOMIZE)
    env = {"PYTHONPATH": f"{tmp_path / 'site'}:{ROOT}", "TOY_PROVIDER": upstream.url}
    with Gateway(tmp_path / "house", upstream, env) as gateway:
        messages = [{"role": "user", "content": "Hi"}]
        openai = gateway.post("/v1/chat/completions", {"model": "toy-1", "messages": messages}).json()
        app = gateway.post("/llm/chat", {"message": "Hi", "model": "toy/toy-1"}).json()
        short = gateway.post("/chat?model=toy", {"prompt": "Hi"}).json()
    assert openai["choices"][0]["message"]["content"] == "Answer to: Hi"
    assert (app["data"]["text"], app["data"]["provider"]) == ("Answer to: Hi", "toy")
    assert (short["response"], short["provider"]) == ("Answer to: Hi", "toy")
