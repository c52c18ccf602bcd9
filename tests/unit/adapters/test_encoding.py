"""What goes out: every wire's request in that wire's words."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.adapters import anthropic, gemini, openai_chat
from app.adapters.openai_chat import Dialect
from app.domain.chat import AudioPart, ImagePart, Message, ProviderCall, TextPart, ToolCall
from app.domain.errors import ProviderFault
from app.factories.catalogue import CATALOGUE

HELLO = (Message("user", "Hi"),)
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CALLED = (
    Message("user", "Hi"),
    Message("assistant", None, tool_calls=(ToolCall("c1", "f", '{"a":1}'), ToolCall("c2", "g", "[1"))),
    Message("tool", '{"ok":true}', tool_call_id="c1"),
    Message("tool", "plain", tool_call_id="c2"),
)


def call(
    messages: tuple[Message, ...] = HELLO, *, model: str = "m", stream: bool = False, **facts: Any
) -> ProviderCall:
    return ProviderCall(model, "http://x", facts.pop("secret", "key"), messages, stream, **facts)


def openai_body(made: ProviderCall, integration: str = "groq") -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(openai_chat.encode(made, CATALOGUE[integration].dialect).body)
    return body


def gemini_body(made: ProviderCall) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(gemini.encode(made).body)
    return body


def claude_body(made: ProviderCall) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(anthropic.encode(made).body)
    return body


def test_openai_params_known_here_or_not_go_on_in_the_body() -> None:
    params = {"temperature": 0.1, "logit_bias": {"5": 1}, "new_thing": [1], "user": "u"}
    assert openai_body(call(params=params)).items() >= params.items()


def test_openai_params_cannot_steer_model_messages_or_stream() -> None:
    params = {"model": "other", "messages": [], "stream": True}
    body = openai_body(call(stream=True, params=params))
    assert (body["model"], body["messages"]) == ("m", [{"role": "user", "content": "Hi"}])
    assert body["stream_options"] == {"include_usage": True}


def test_a_stream_option_goes_only_with_a_stream() -> None:
    assert not openai_body(call()).keys() & {"stream", "stream_options"}


@pytest.mark.parametrize(
    ("integration", "field", "role"),
    [
        ("groq", "max_tokens", "system"),
        ("ollama", "max_tokens", "system"),
        ("openai", "max_completion_tokens", "developer"),
    ],
)
def test_each_dialect_caps_and_calls_the_developer_in_its_own_words(integration: str, field: str, role: str) -> None:
    body = openai_body(call((Message("developer", "x"), *HELLO), max_tokens=7), integration)
    assert body[field] == 7
    assert body["messages"][0]["role"] == role


def test_a_reasoning_model_of_groq_is_asked_to_tell_its_thoughts_apart_unless_the_caller_says_otherwise() -> None:
    assert openai_body(call(reasoning=True))["reasoning_format"] == "parsed"
    assert openai_body(call(reasoning=True, params={"reasoning_format": "raw"}))["reasoning_format"] == "raw"
    assert "reasoning_format" not in openai_body(call())


def test_openai_messages_keep_parts_calls_and_results() -> None:
    parts = (TextPart("a"), ImagePart("data:image/png;base64,AA==", "low"), AudioPart("QQ==", "wav"))
    body = openai_body(call((Message("user", parts, name="bob"), *CALLED[1:])))
    assert body["messages"][0] == {
        "role": "user",
        "name": "bob",
        "content": [
            {"type": "text", "text": "a"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
            {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}},
        ],
    }
    assert body["messages"][1]["tool_calls"][1] == {
        "id": "c2",
        "type": "function",
        "function": {"name": "g", "arguments": "[1"},
    }
    assert body["messages"][2] == {"role": "tool", "content": '{"ok":true}', "tool_call_id": "c1"}


def test_what_json_cannot_say_is_the_callers_fault_and_was_not_sent() -> None:
    with pytest.raises(ProviderFault) as caught:
        openai_chat.encode(call(params={"seed": 2**70}), Dialect())
    assert (caught.value.kind, caught.value.sent) == ("invalid_request", False)


def test_gemini_params_have_their_own_names_and_unknown_ones_stay_behind() -> None:
    params = {"top_p": 0.5, "stop": "x", "seed": 4, "logprobs": True, "top_logprobs": 2, "user": "u", "new_thing": 1}
    body = gemini_body(call(params=params, max_tokens=9))
    assert body["generationConfig"] == {
        "topP": 0.5,
        "stopSequences": ["x"],
        "seed": 4,
        "responseLogprobs": True,
        "logprobs": 2,
        "maxOutputTokens": 9,
    }
    assert body.keys() == {"contents", "generationConfig"}


def test_gemini_turns_alternate_and_results_bear_the_name_of_their_call() -> None:
    system = Message("system", "S")
    body = gemini_body(call((system, *CALLED, Message("user", ""))))
    assert body["systemInstruction"] == {"parts": [{"text": "S"}]}
    assert [turn["role"] for turn in body["contents"]] == ["user", "model", "user"]
    assert body["contents"][1]["parts"] == [
        {"functionCall": {"name": "f", "args": {"a": 1}}},
        {"functionCall": {"name": "g", "args": {"input": "[1"}}},
    ]
    assert body["contents"][2]["parts"] == [
        {"functionResponse": {"name": "f", "response": {"ok": True}}},
        {"functionResponse": {"name": "g", "response": {"result": "plain"}}},
        {"text": " "},
    ]


@pytest.mark.parametrize(
    ("facts", "thinking"),
    [
        ({}, None),
        ({"reasoning": True}, {"includeThoughts": True}),
        ({"params": {"reasoning_effort": "low"}}, {"includeThoughts": True, "thinkingBudget": 1024}),
        ({"reasoning": True, "params": {"reasoning_effort": "none"}}, {"includeThoughts": False, "thinkingBudget": 0}),
    ],
)
def test_gemini_thinks_as_it_is_asked_to(facts: dict[str, Any], thinking: Any) -> None:
    assert gemini_body(call(**facts)).get("generationConfig", {}).get("thinkingConfig") == thinking


@pytest.mark.parametrize("name", ["a/../b", "x?key=1", "m:generateContent#", "a b", "модель"])
def test_fault_2_12_a_models_name_cannot_change_geminis_url(name: str) -> None:
    path = gemini.encode(call(model=name)).path
    assert path.startswith("/v1beta/models/")
    assert path.endswith(":generateContent")
    assert not set(path.removeprefix("/v1beta/models/").removesuffix(":generateContent")) & set("/?#: ")


def test_a_picture_that_is_no_data_is_refused_before_sending() -> None:
    messages = (Message("user", (ImagePart("https://example.com/a.png"),)),)
    for encode in (gemini.encode, anthropic.encode):
        with pytest.raises(ProviderFault) as caught:
            encode(call(messages))
        assert (caught.value.kind, caught.value.sent) == ("invalid_request", False)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [({}, 4096), ({"max_output": 64_000}, 64_000), ({"max_output": 64_000, "max_tokens": 5}, 5)],
)
def test_anthropic_is_always_told_how_long_an_answer_may_be(facts: dict[str, Any], expected: int) -> None:
    assert claude_body(call(**facts))["max_tokens"] == expected


def test_anthropic_turns_hold_calls_and_results_as_blocks() -> None:
    body = claude_body(call((Message("system", "S"), *CALLED)))
    assert body["system"] == "S"
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"][0] == {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}
    assert [block["tool_use_id"] for block in body["messages"][2]["content"]] == ["c1", "c2"]


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        ("auto", None, {"type": "auto"}),
        ("required", None, {"type": "any"}),
        ("none", False, {"type": "none"}),
        ({"type": "function", "function": {"name": "f"}}, None, {"type": "tool", "name": "f"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (None, None, None),
    ],
)
def test_anthropic_tool_choice(choice: Any, parallel: bool | None, expected: Any) -> None:
    params = {"tools": [TOOL], "tool_choice": choice, "parallel_tool_calls": parallel}
    assert claude_body(call(params=params)).get("tool_choice") == expected


SAMPLING = {"temperature": 0.5, "top_p": 0.9, "reasoning_effort": "low"}


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-opus-4-7", "claude-haiku-5-5", "claude-something-new"])
def test_later_claude_models_are_not_sent_what_they_refuse(model: str) -> None:
    body = claude_body(call(model=model, params=SAMPLING))
    assert not body.keys() & {"temperature", "top_p"}
    assert body["thinking"]["type"] == "adaptive"
    assert body["output_config"] == {"effort": "low"}


@pytest.mark.parametrize("model", ["claude-3-5-haiku-latest", "claude-sonnet-4-5-20250929", "claude-opus-4-6"])
def test_older_claude_models_sample_and_think_within_a_budget(model: str) -> None:
    body = claude_body(call(model=model, params=SAMPLING))
    assert (body["temperature"], body["top_p"]) == (0.5, 0.9)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 1024}
    assert "output_config" not in body


def test_a_turn_after_a_tools_result_leaves_thinking_to_claude() -> None:
    for model in ("claude-opus-5-5", "claude-sonnet-4-5"):
        assert "thinking" not in claude_body(call(CALLED, model=model, reasoning=True, params=SAMPLING))


def test_sound_is_refused_where_a_provider_does_not_hear() -> None:
    with pytest.raises(ProviderFault, match="does not hear"):
        anthropic.encode(call((Message("user", (AudioPart("QQ==", "wav"),)),)))
