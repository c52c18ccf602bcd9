"""Those who draw: Gemini by Google's SDK, OpenAI's wire, Pollinations, and the demo by itself."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from unittest import mock
from urllib.parse import unquote

import pytest

from app.domain.chat import ImagePart, Message, ProviderCall, TextPart
from app.domain.errors import ProviderFault
from app.domain.events import Delta, Finish, Picture, ProviderEvent, Silence, UsageReport
from app.domain.usage import Usage
from app.factories.llm_service_factory import LLMServiceFactory
from app.utils.cancel import Cancel
from app.utils.patience import Patience
from tests.providers.asking import new_factory, patient
from tests.providers.drawing import png
from tests.providers.fixtures import EmulatedProviders

FOX = (Message("user", "Draw a fox. #1/2?"),)
SECRET = "sk-canary-0123456789abcdef"
PIXEL = "data:image/png;base64,iVBORw0KGgo="
#: Integration and the path of its base URL here.
MAKERS = {"gemini": "", "openai": "/v1", "pollinations": "/pollinations"}
every_maker = pytest.mark.parametrize("maker", MAKERS)


@dataclass
class Drawn:
    pictures: list[Picture] = field(default_factory=list)
    text: str = ""
    finish: str | None = None
    usage: Usage | None = None
    silences: int = 0
    fault: ProviderFault | None = None

    @property
    def kind(self) -> str | None:
        return self.fault.kind if self.fault else None


class Maker:
    def __init__(self, factory: LLMServiceFactory, upstream: EmulatedProviders) -> None:
        self.factory, self.upstream = factory, upstream

    def draw(
        self, maker: str, model: str = "m", patience: Patience | None = None, cancel: Cancel | None = None, **facts: Any
    ) -> Drawn:
        facts.setdefault("messages", FOX)
        call = ProviderCall(model, self.upstream.url + MAKERS.get(maker, ""), SECRET, stream=False, **facts)
        events = self.factory.service(maker, "picture").chat(call, patience or patient(), cancel or Cancel())
        return folded(events)


def folded(events: Iterable[ProviderEvent]) -> Drawn:
    seen = Drawn()
    try:
        for event in events:
            match event:
                case Picture():
                    seen.pictures.append(event)
                case Delta():
                    seen.text += event.text
                case Finish():
                    seen.finish = event.reason
                case UsageReport():
                    seen.usage = event.usage
                case Silence():
                    seen.silences += 1
    except ProviderFault as fault:
        seen.fault = fault
    return seen


@pytest.fixture(scope="module")
def factory() -> LLMServiceFactory:
    return new_factory()


@pytest.fixture
def maker_of(factory: LLMServiceFactory, upstream: EmulatedProviders) -> Maker:
    return Maker(factory, upstream)


@every_maker
def test_a_picture_comes_with_the_prompt_as_it_was_written(maker_of: Maker, maker: str) -> None:
    drawn = maker_of.draw(maker)
    assert drawn.fault is None
    assert [(p.data, p.content_type) for p in drawn.pictures] == [(png(f"{maker}: Draw a fox. #1/2?"), "image/png")]
    assert drawn.finish == "stop"


@every_maker
def test_several_pictures_are_several(maker_of: Maker, maker: str) -> None:
    assert len(maker_of.draw(maker, params={"n": 3}).pictures) == 3


@every_maker
@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("status-401", "key_rejected"),
        ("status-403", "key_rejected"),
        ("status-429", "rate_limited"),
        ("status-500", "server_error"),
        ("status-503", "server_error"),
        ("redirect-302", "bad_reply"),
        ("redirect-307", "bad_reply"),
        ("html-picture", "bad_reply"),
        ("svg-picture", "bad_reply"),
        ("html-200", "bad_reply"),
        ("reset", "reset"),
        ("close", "reset"),
        ("silent", "first_token_timeout"),
    ],
)
def test_fault_4_25_what_goes_wrong_is_the_same_fault_as_of_a_chat(
    maker_of: Maker, maker: str, model: str, kind: str
) -> None:
    drawn = maker_of.draw(maker, model, patience=patient(first=0.4))
    assert drawn.kind == kind
    assert drawn.pictures == []


@every_maker
def test_fault_4_25_nobody_asks_again_and_no_redirect_is_followed(
    maker_of: Maker, maker: str, upstream: EmulatedProviders
) -> None:
    for model in ("status-500", "status-429", "redirect-307"):
        maker_of.draw(maker, model)
    assert len(upstream.log()) == 3


@every_maker
def test_fault_8_10_no_proxy_and_no_key_of_the_environment_is_used(
    maker_of: Maker, maker: str, upstream: EmulatedProviders
) -> None:
    theirs = {
        "HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9", "GOOGLE_API_KEY": "env-canary",
        "GEMINI_API_KEY": "env-canary", "GOOGLE_GENAI_USE_VERTEXAI": "true", "SSL_CERT_FILE": "/nowhere",
        "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9",
    }  # fmt: skip
    with mock.patch.dict(os.environ, theirs):
        assert maker_of.draw(maker).fault is None
    assert "env-canary" not in str(upstream.log())


def test_the_key_goes_in_a_header_of_those_who_want_one(maker_of: Maker, upstream: EmulatedProviders) -> None:
    for maker in ("gemini", "openai"):
        maker_of.draw(maker)
    entries = upstream.log()
    assert [entry["headers"].get("x-goog-api-key") for entry in entries] == [SECRET, None]
    assert entries[1]["headers"]["authorization"] == f"Bearer {SECRET}"
    assert all("canary" not in entry["path"] for entry in entries)


@pytest.mark.parametrize("maker", ["gemini", "openai"])
def test_fault_4_24_a_key_that_the_provider_quotes_is_masked(maker_of: Maker, maker: str) -> None:
    fault = maker_of.draw(maker, "quotes-key").fault
    assert fault is not None
    assert SECRET not in str(fault)


def test_fault_8_15_an_address_in_place_of_a_picture_is_not_fetched(
    maker_of: Maker, upstream: EmulatedProviders
) -> None:
    assert maker_of.draw("openai", "url-picture").kind == "bad_reply"
    assert len(upstream.log()) == 1


def test_gemini_is_told_of_the_conversation_the_picture_to_change_and_the_shape(
    maker_of: Maker, upstream: EmulatedProviders
) -> None:
    messages = (
        Message("system", "Be bold."),
        Message("user", "A fox"),
        Message("assistant", ""),
        Message("user", (TextPart("now blue"), ImagePart(PIXEL))),
    )
    assert maker_of.draw("gemini", messages=messages, params={"size": "1792x1024"}).fault is None
    body = upstream.log()[0]["body"]
    assert body["systemInstruction"]["parts"][0]["text"] == "Be bold."
    assert [turn["role"] for turn in body["contents"]] == ["user", "model", "user"]
    assert body["contents"][2]["parts"][1]["inlineData"] == {"mime_type": "image/png", "data": "iVBORw0KGgo="}
    assert body["generationConfig"]["responseModalities"] == ["TEXT", "IMAGE"]
    assert body["generationConfig"]["imageConfig"] == {"aspectRatio": "16:9"}


def test_gemini_tells_what_a_picture_cost(maker_of: Maker) -> None:
    usage = maker_of.draw("gemini", params={"n": 2}).usage
    assert usage is not None
    assert (usage.picture_tokens, usage.completion - usage.picture_tokens > 0, usage.prompt > 0) == (2580, True, True)


@pytest.mark.parametrize(
    ("model", "kind"),
    [("no-picture", "bad_reply"), ("unsafe-picture", "content_filtered"), ("filtered", "content_filtered"),
     ("no-choices", "bad_reply"), ("gone", "model_gone"), ("bad-key", "key_rejected"), ("cut-json", "bad_reply"),
     ("error-200", "bad_reply"), ("null", "bad_reply")],
)  # fmt: skip
def test_gemini_that_draws_nothing_has_failed(maker_of: Maker, model: str, kind: str) -> None:
    assert maker_of.draw("gemini", model).kind == kind


def test_a_large_picture_comes_whole(maker_of: Maker) -> None:
    drawn = maker_of.draw("gemini", "big-8")
    assert len(drawn.pictures[0].data) > 8 * 2**20


def test_whoever_waits_for_a_picture_is_told_of_the_silence(maker_of: Maker) -> None:
    drawn = maker_of.draw("gemini", "slow-400", patience=patient(tick=0.1))
    assert drawn.silences >= 2
    assert len(drawn.pictures) == 1


@every_maker
def test_fault_3_01_closing_lets_go_of_the_provider(
    factory: LLMServiceFactory, maker: str, upstream: EmulatedProviders
) -> None:
    call = ProviderCall("silent", upstream.url + MAKERS[maker], SECRET, FOX, stream=False)
    events = factory.service(maker, "picture").chat(call, patient(tick=0.05), Cancel())
    assert isinstance(next(events), Silence)
    upstream.wait_for(lambda log: len(log) == 1)
    events.close()
    upstream.wait_for(lambda log: log[0]["left"], seconds=1.0)


@every_maker
def test_a_cancel_ends_a_silent_call_at_once(
    factory: LLMServiceFactory, maker: str, upstream: EmulatedProviders
) -> None:
    cancel = Cancel()
    call = ProviderCall("silent", upstream.url + MAKERS[maker], SECRET, FOX, stream=False)
    events = factory.service(maker, "picture").chat(call, patient(tick=0.05), cancel)
    next(events)
    upstream.wait_for(lambda log: len(log) == 1)
    cancel.cancel("client gone")
    with pytest.raises(ProviderFault, match="client gone"):
        list(events)
    upstream.wait_for(lambda log: log[0]["left"], seconds=1.0)


@pytest.mark.parametrize("said", ["../../x", "..", "a/b?c#d&e=f", "Grüße 🎉", "%2e%2e%2f", " \n ", "x" * 9_000])
def test_pollinations_gets_the_words_and_no_other_path(maker_of: Maker, upstream: EmulatedProviders, said: str) -> None:
    assert maker_of.draw("pollinations", "flux", messages=(Message("user", said),)).fault is None
    path, _, query = upstream.log()[0]["path"].partition("?")
    assert path.startswith("/pollinations/prompt/")
    assert unquote(path.removeprefix("/pollinations/prompt/")) == said.strip()[:1500]
    assert "/" not in path.removeprefix("/pollinations/prompt/")
    assert "nologo=true" in query


def test_pollinations_gets_no_key(maker_of: Maker, upstream: EmulatedProviders) -> None:
    maker_of.draw("pollinations")
    assert "canary" not in str(upstream.log()[0])


def test_a_provider_whose_wire_has_no_pictures_is_passed_over(factory: LLMServiceFactory) -> None:
    with pytest.raises(ProviderFault, match="cannot be asked for a picture"):
        factory.service("anthropic", "picture")


@pytest.mark.parametrize("size", [None, "256x256", "1536x1024", "64x2048", "1x99999"])
def test_the_demo_draws_by_itself_in_the_size_that_was_asked_for(maker_of: Maker, size: str | None) -> None:
    drawn = maker_of.draw("demo", params={"n": 2, "size": size})
    assert drawn.usage is not None
    assert (len(drawn.pictures), drawn.usage.picture_tokens, drawn.finish) == (2, 2580, "stop")
    assert drawn.pictures[0].data != drawn.pictures[1].data
    assert drawn.pictures[0].content_type == "image/png"
    width, height = struct.unpack(">II", drawn.pictures[0].data[16:24])
    wanted = tuple(int(side) for side in (size or "512x512").split("x"))
    assert (width, height) == tuple(max(64, min(side, 2048)) for side in wanted)


def test_the_demo_says_what_it_is_and_takes_moments_whatever_the_prompt(maker_of: Maker) -> None:
    began = time.perf_counter()
    drawn = maker_of.draw("demo", messages=(Message("user", "word " * 200_000),))
    assert time.perf_counter() - began < 0.25
    assert "no provider was asked" in drawn.text
