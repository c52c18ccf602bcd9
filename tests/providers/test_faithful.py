"""The emulated providers are faithful: the official SDKs understand all they say."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import groq
import openai
import pytest
from google import genai
from google.genai import types as gemini_types

from tests.providers.fixtures import EmulatedProviders

ASK = [{"role": "user", "content": "Grüß dich 🎉"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI_TOOL = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": SCHEMA}}
ANTHROPIC_TOOL = {"name": "weather", "description": "d", "input_schema": SCHEMA}
GEMINI_TOOL = gemini_types.Tool(
    function_declarations=[gemini_types.FunctionDeclaration(name="weather", parameters_json_schema=SCHEMA)]
)
SAID = "Answer to: Grüß dich 🎉"


@pytest.fixture(params=["openai", "groq"])
def openai_like(request: pytest.FixtureRequest, upstream: EmulatedProviders) -> Any:
    if request.param == "groq":  # it adds /openai/v1 by itself
        return groq.Groq(api_key="k", base_url=upstream.url, max_retries=0)
    return openai.OpenAI(api_key="k", base_url=upstream.url + "/v1", max_retries=0)


@pytest.fixture
def claude(upstream: EmulatedProviders) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="k", base_url=upstream.url, max_retries=0)


@pytest.fixture
def gemini(upstream: EmulatedProviders) -> genai.Client:
    return genai.Client(api_key="k", http_options=gemini_types.HttpOptions(base_url=upstream.url))


def test_openai_sdks_read_a_whole_reply(openai_like: Any) -> None:
    reply = openai_like.chat.completions.create(model="m", messages=ASK)
    assert reply.choices[0].message.content == SAID
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens > 0


def test_openai_sdks_read_a_stream(openai_like: Any) -> None:
    chunks = list(openai_like.chat.completions.create(model="m", messages=ASK, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == SAID
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"


def test_openai_sdks_read_tool_calls_whole_and_streamed(openai_like: Any) -> None:
    create = openai_like.chat.completions.create
    call = create(model="m", messages=ASK, tools=[OPENAI_TOOL]).choices[0].message.tool_calls[0]
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Zürich"})
    chunks = list(create(model="m", messages=ASK, tools=[OPENAI_TOOL], stream=True))
    parts = [p for c in chunks if c.choices for p in c.choices[0].delta.tool_calls or ()]
    assert parts[0].id == call.id
    assert json.loads("".join(p.function.arguments or "" for p in parts)) == {"city": "Zürich"}


def test_openai_sdk_reads_usage_in_a_stream(upstream: EmulatedProviders) -> None:
    client = openai.OpenAI(api_key="k", base_url=upstream.url + "/v1", max_retries=0)
    chunks = list(
        client.chat.completions.create(
            model="m",
            messages=ASK,
            stream=True,
            stream_options={"include_usage": True},  # type: ignore[arg-type]
        )
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None


def test_openai_sdks_read_the_list_of_models(openai_like: Any) -> None:
    assert [m.id for m in openai_like.models.list().data] == ["emulated-small", "emulated-large"]


def test_openai_sdks_read_errors(openai_like: Any) -> None:
    kit = groq if isinstance(openai_like, groq.Groq) else openai
    with pytest.raises(kit.RateLimitError) as caught:
        openai_like.chat.completions.create(model="retry-after-7", messages=ASK)
    assert caught.value.response.headers["retry-after"] == "7"


def test_anthropic_sdk_reads_a_whole_reply(claude: anthropic.Anthropic) -> None:
    reply = claude.messages.create(model="reasoning", max_tokens=100, messages=ASK)  # type: ignore[arg-type]
    assert [block.type for block in reply.content] == ["thinking", "text"]
    assert reply.content[1].text == SAID  # type: ignore[union-attr]
    assert (reply.stop_reason, reply.usage.output_tokens) == ("end_turn", 8)


def test_anthropic_sdk_folds_a_stream(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(model="reasoning", max_tokens=100, messages=ASK) as stream:  # type: ignore[arg-type]
        reply = stream.get_final_message()
    assert [block.type for block in reply.content] == ["thinking", "text"]
    assert (reply.content[1].text, reply.stop_reason) == (SAID, "end_turn")  # type: ignore[union-attr]


def test_anthropic_sdk_reads_tool_calls_whole_and_streamed(claude: anthropic.Anthropic) -> None:
    asked: Any = {"model": "two-tools", "max_tokens": 100, "messages": ASK}
    asked["tools"] = [ANTHROPIC_TOOL, {**ANTHROPIC_TOOL, "name": "time"}]
    whole = claude.messages.create(**asked)
    with claude.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    for reply in (whole, streamed):
        assert [(b.name, b.input) for b in reply.content] == [  # type: ignore[union-attr]
            ("weather", {"city": "Zürich"}),
            ("time", {"city": "Zürich"}),
        ]
        assert reply.stop_reason == "tool_use"


def test_anthropic_sdk_reads_errors_also_in_a_stream(claude: anthropic.Anthropic) -> None:
    asked: Any = {"max_tokens": 100, "messages": ASK}
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.create(model="gone", **asked)
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        list(claude.messages.create(model="error-event-2", stream=True, **asked))


def test_gemini_sdk_reads_a_whole_reply(gemini: genai.Client) -> None:
    reply = gemini.models.generate_content(model="reasoning", contents="Grüß dich 🎉")
    assert reply.text == SAID
    assert reply.candidates[0].finish_reason == "STOP"  # type: ignore[index]
    assert reply.usage_metadata.thoughts_token_count == 3  # type: ignore[union-attr]


def test_gemini_sdk_reads_a_stream(gemini: genai.Client) -> None:
    chunks = list(gemini.models.generate_content_stream(model="m", contents="Grüß dich 🎉"))
    assert "".join(c.text or "" for c in chunks) == SAID


@pytest.mark.parametrize("stream", [False, True])
def test_gemini_sdk_reads_tool_calls(gemini: genai.Client, stream: bool) -> None:
    config = gemini_types.GenerateContentConfig(
        tools=[GEMINI_TOOL],
        automatic_function_calling=gemini_types.AutomaticFunctionCallingConfig(disable=True),
    )
    asked: Any = {"model": "m", "contents": "Wie warm?", "config": config}
    replies = (
        list(gemini.models.generate_content_stream(**asked)) if stream else [gemini.models.generate_content(**asked)]
    )
    calls = [call for reply in replies for call in reply.function_calls or ()]
    assert [(c.name, c.args) for c in calls] == [("weather", {"city": "Zürich"})]


def test_gemini_sdk_reads_errors_and_the_list_of_models(gemini: genai.Client) -> None:
    with pytest.raises(genai.errors.ClientError) as caught:
        gemini.models.generate_content(model="bad-key", contents="x")
    assert caught.value.code == 400
    assert [m.name for m in gemini.models.list()] == ["models/emulated-small", "models/emulated-large"]
