"""The official `openai` and `groq` SDKs pointed at our /v1: what their users write works, errors are their classes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import groq
import openai
import pytest

from tests.journeys.gateway import CLAUDE, GEMINI, GROQ, OPENAI, Gateway
from tests.journeys.invariants import Invariants

Sdk = Any
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
MAKERS = [GROQ, GEMINI, CLAUDE, OPENAI]


def _user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


@pytest.fixture(params=["openai", "groq"])
def sdk(request: pytest.FixtureRequest, gateway: Gateway) -> Iterator[Sdk]:
    """A client without retries: an error is seen as it came."""
    if request.param == "openai":
        client: Sdk = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0, timeout=20)
    else:
        client = groq.Groq(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=20)
    with client:
        yield client


@pytest.fixture
def oai(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0, timeout=20) as client:
        yield client


def _module(sdk: Sdk) -> Any:
    return openai if isinstance(sdk, openai.OpenAI) else groq


def _said(fault: pytest.ExceptionInfo[Any]) -> dict[str, Any]:
    """The error object; `groq` keeps the body around it."""
    body: dict[str, Any] = fault.value.body
    return body.get("error", body)  # type: ignore[no-any-return]


@pytest.mark.parametrize("model", MAKERS)
def test_a_chat(sdk: Sdk, model: str, invariants: Invariants) -> None:
    reply = sdk.chat.completions.create(model=model, messages=_user("hello"), temperature=0.5, max_tokens=100)
    assert reply.choices[0].message.content == "Answer to: hello"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.model == model
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens


@pytest.mark.parametrize("model", MAKERS)
def test_a_stream(sdk: Sdk, model: str, invariants: Invariants) -> None:
    chunks = list(sdk.chat.completions.create(model=model, messages=_user("hello you"), stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Answer to: hello you"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "stop"
    assert {chunk.model for chunk in chunks} == {model}
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_stream_with_usage(oai: openai.OpenAI) -> None:
    stream = oai.chat.completions.create(
        model=GROQ, messages=_user("hi"), stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == []
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.total_tokens > 0


def test_the_sdks_own_stream_helper_rebuilds_the_answer(oai: openai.OpenAI) -> None:
    with oai.chat.completions.stream(model=GROQ, messages=_user("helper")) as stream:
        for _ in stream:
            pass
        whole = stream.get_final_completion()
    assert whole.choices[0].message.content == "Answer to: helper"


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("model", MAKERS)
def test_tools_make_their_round_trip(gateway: Gateway, oai: openai.OpenAI, model: str, stream: bool) -> None:
    messages = _user("How is the weather in Zürich?")
    if stream:
        with oai.chat.completions.stream(model=model, messages=messages, tools=[WEATHER]) as heard:  # type: ignore[list-item]
            for _ in heard:
                pass
            choice: Any = heard.get_final_completion().choices[0]
    else:
        choice = oai.chat.completions.create(model=model, messages=messages, tools=[WEATHER]).choices[0]  # type: ignore[call-overload]
    assert choice.finish_reason == "tool_calls"
    call = choice.message.tool_calls[0]
    assert (call.type, call.function.name) == ("function", "weather")
    assert json.loads(call.function.arguments) == {"city": "Zürich"}
    messages.append(choice.message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"}))
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "12 degrees"})
    after = oai.chat.completions.create(model=model, messages=messages, tools=[WEATHER])  # type: ignore[call-overload]
    assert after.choices[0].message.content == "The tool said: 12 degrees"


@pytest.mark.parametrize("model", [GEMINI, CLAUDE, OPENAI])
def test_a_picture_as_data_is_seen(oai: openai.OpenAI, model: str) -> None:
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    content = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": url}}]
    reply = oai.chat.completions.create(model=model, messages=[{"role": "user", "content": content}])  # type: ignore[list-item,misc]
    assert reply.choices[0].message.content == "I see 1 picture(s): image/png"


def test_a_blind_model_leaves_a_picture_to_one_that_sees(oai: openai.OpenAI) -> None:
    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    content: Any = {"type": "image_url", "image_url": {"url": url}}
    reply = oai.chat.completions.create(model=GROQ, messages=[{"role": "user", "content": content}])
    assert reply.model != GROQ
    assert reply.choices[0].message.content == "I see 1 picture(s): image/png"


def test_reasoning_is_told_apart(gateway: Gateway, oai: openai.OpenAI) -> None:
    gateway.behave("reasoning", model=OPENAI)
    message: Any = oai.chat.completions.create(model=OPENAI, messages=_user("think")).choices[0].message
    assert (message.content, message.reasoning_content) == ("Answer to: think", "Let me think about it. ")
    chunks = list(oai.chat.completions.create(model=OPENAI, messages=_user("think"), stream=True))
    deltas: list[Any] = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas) == "Let me think about it. "
    assert "".join(delta.content or "" for delta in deltas) == "Answer to: think"


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_two_answers_at_once(oai: openai.OpenAI, stream: bool) -> None:
    if not stream:
        reply = oai.chat.completions.create(model=GROQ, messages=_user("twice"), n=2)
        assert [choice.index for choice in reply.choices] == [0, 1]
        assert {choice.message.content for choice in reply.choices} == {"Answer to: twice"}
        return
    texts = ["", ""]
    finishes = []
    for chunk in oai.chat.completions.create(model=GROQ, messages=_user("twice"), n=2, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            finishes += [choice.index] if choice.finish_reason else []
    assert texts == ["Answer to: twice"] * 2
    assert finishes == [0, 1]


def test_what_is_unknown_here_goes_on_in_the_body(gateway: Gateway, oai: openai.OpenAI) -> None:
    oai.chat.completions.create(
        model=GROQ,
        messages=_user("hi"),
        seed=7,
        stop=["END"],
        response_format={"type": "json_object"},
        extra_body={"mood": {"calm": True}},
    )
    body = gateway.upstream.log()[-1]["body"]
    assert (body["seed"], body["stop"], body["mood"]) == (7, ["END"], {"calm": True})
    assert body["response_format"] == {"type": "json_object"}


def test_models_are_listed_and_found(sdk: Sdk) -> None:
    listed = {model.id: model for model in sdk.models.list().data}
    assert {GROQ, GEMINI, CLAUDE, OPENAI, "auto", "groq", "demo"} <= set(listed)
    assert listed["auto"].owned_by == "alias"
    assert sdk.models.retrieve(GROQ).id == GROQ


def test_a_model_with_a_slash_in_its_name_is_found(sdk: Sdk) -> None:
    """The `openai` SDK sends the slash as %2F."""
    name = "meta-llama/llama-4-scout-17b-16e-instruct"
    assert sdk.models.retrieve(name).id == name
    assert sdk.models.retrieve(f"groq/{GROQ}").id
    with pytest.raises(_module(sdk).NotFoundError):
        sdk.models.retrieve("meta-llama/none")


def test_errors_are_the_sdks_own_classes(gateway: Gateway, sdk: Sdk, invariants: Invariants) -> None:
    module, create = _module(sdk), sdk.chat.completions.create
    with pytest.raises(module.NotFoundError) as not_found:
        create(model="no-such-model", messages=_user("hi"))
    with pytest.raises(module.BadRequestError) as bad:
        create(model=GROQ, messages=_user("hi"), max_tokens=-1)
    with pytest.raises(module.BadRequestError):
        create(model=GROQ, messages=[])
    with pytest.raises(module.AuthenticationError):
        sdk.with_options(api_key="sk-nobody").chat.completions.create(model=GROQ, messages=_user("hi"))
    assert _said(not_found)["code"] == "not_found"
    assert (_said(bad)["code"], _said(bad)["param"]) == ("invalid_request", "max_tokens")
    assert _said(bad)["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("upstream_does", "status", "code"),
    [
        ("status-500", 502, "upstream_failed"),
        ("status-401", 502, "upstream_failed"),
        ("status-429", 503, "no_capacity"),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_a_provider_that_fails_is_a_server_error(
    gateway: Gateway, sdk: Sdk, upstream_does: str, status: int, code: str, stream: bool, invariants: Invariants
) -> None:
    gateway.all_providers(upstream_does)
    with pytest.raises(_module(sdk).InternalServerError) as fault:
        sdk.chat.completions.create(model=GROQ, messages=_user("hi"), stream=stream)
    assert (fault.value.status_code, _said(fault)["code"]) == (status, code)
    if code == "no_capacity":
        assert int(fault.value.response.headers["retry-after"]) >= 1


def test_guessing_at_keys_is_a_rate_limit_error(gateway: Gateway, oai: openai.OpenAI) -> None:
    """Counted by the address; good keys from there go on."""
    from_there = {"X-Forwarded-For": "198.51.100.77"}
    guesser = oai.with_options(api_key="sk-guess", default_headers=from_there)
    kinds = set()
    for _ in range(70):
        with pytest.raises(openai.APIStatusError) as fault:
            guesser.models.list()
        kinds.add(type(fault.value))
        if isinstance(fault.value, openai.RateLimitError):
            break
    assert kinds == {openai.AuthenticationError, openai.RateLimitError}
    assert int(fault.value.response.headers["retry-after"]) >= 1
    assert oai.with_options(default_headers=from_there).models.list().data


def test_a_limit_that_is_reached_is_a_rate_limit_error(gateway: Gateway, sdk: Sdk) -> None:
    reply = gateway.post("/api/keys", {"name": "once a minute", "rpm": 1})
    once = sdk.with_options(api_key=reply.json()["data"]["key"])
    assert once.chat.completions.create(model=GROQ, messages=_user("hi")).choices
    before = gateway.stored()
    with pytest.raises(_module(sdk).RateLimitError) as fault:
        once.chat.completions.create(model=GROQ, messages=_user("hi"))
    assert _said(fault)["details"] == {"limit": "key", "reason": "requests"}
    assert 1 <= int(fault.value.response.headers["retry-after"]) <= 60
    assert gateway.stored() == before


def test_a_stream_that_breaks_is_an_api_error(gateway: Gateway, oai: openai.OpenAI, invariants: Invariants) -> None:
    gateway.all_providers("cut-after-2")
    stream = oai.chat.completions.create(model=GROQ, messages=_user("a b c"), stream=True)
    heard: list[str] = []
    with pytest.raises(openai.APIError) as fault:
        heard.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert "".join(heard).startswith("Answer to: ")
    assert isinstance(fault.value.body, dict)
    assert fault.value.body["code"] == "upstream_failed"
