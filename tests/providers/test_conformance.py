"""One suite for every provider: what a service owes whatever wire it speaks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

import pytest

from app.domain.chat import ImagePart, Message, TextPart, ToolCall
from app.domain.events import Delta
from app.factories.llm_service_factory import LLMServiceFactory
from app.utils.cancel import Cancel
from tests.providers.asking import HELLO, MEMBERS, SAID, Asker, Member, new_factory, patient
from tests.providers.fixtures import EmulatedProviders

PIXEL = "data:image/png;base64,iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"type": "function", "function": {"name": "weather", "description": "How warm", "parameters": SCHEMA}}
TIME = {"type": "function", "function": {"name": "time", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module")
def factory() -> LLMServiceFactory:
    return new_factory()


@pytest.fixture(params=MEMBERS, ids=str)
def member(request: pytest.FixtureRequest) -> Member:
    return cast(Member, request.param)


@pytest.fixture
def asker(factory: LLMServiceFactory, upstream: EmulatedProviders, member: Member) -> Asker:
    return Asker(factory, upstream, member)


both = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])


@both
def test_text_comes_whole_with_its_finish_reason(asker: Asker, stream: bool) -> None:
    heard = asker.ask(stream=stream)
    assert (heard.text, heard.finish, heard.fault) == (SAID, "stop", None)
    assert (heard.deltas > 1) is stream


@both
def test_usage_is_told(asker: Asker, stream: bool) -> None:
    heard = asker.ask("cached+reasoning", stream=stream)
    assert heard.usage is not None
    assert heard.usage.source == "provider"
    assert heard.usage.prompt >= 2 * heard.usage.cached > 0
    assert (heard.usage.completion, heard.usage.reasoning) == (8, 3)


@both
def test_reasoning_is_told_apart_from_the_answer(asker: Asker, stream: bool) -> None:
    heard = asker.ask("reasoning", stream=stream, reasoning=True)
    assert (heard.reasoning, heard.text) == ("Let me think about it. ", SAID)


@both
def test_a_system_prompt_reaches_the_provider(asker: Asker, upstream: EmulatedProviders, stream: bool) -> None:
    messages = (Message("system", "Be kind."), Message("developer", "Be short."), *HELLO)
    assert asker.ask(stream=stream, messages=messages).text == SAID
    sent = json.dumps(upstream.log()[0]["body"])
    assert "Be kind." in sent
    assert "Be short." in sent


@both
def test_a_tool_is_called_and_its_result_answered(asker: Asker, stream: bool) -> None:
    first = asker.ask(stream=stream, params={"tools": [WEATHER], "tool_choice": "auto"})
    assert (first.finish, len(first.calls)) == ("tool_calls", 1)
    made = first.calls[0]
    assert made.name == "weather"
    assert made.id
    assert json.loads(made.arguments) == {"city": "Zürich"}
    messages = (
        *HELLO,
        Message("assistant", None, tool_calls=(ToolCall(made.id, "weather", made.arguments),)),
        Message("tool", "17 degrees", tool_call_id=made.id),
    )
    second = asker.ask(stream=stream, params={"tools": [WEATHER]}, messages=messages)
    assert (second.text, second.finish) == ("The tool said: 17 degrees", "stop")


@both
def test_two_tools_are_called_at_once_and_both_results_go_back(asker: Asker, stream: bool) -> None:
    first = asker.ask("two-tools", stream=stream, params={"tools": [WEATHER, TIME]})
    calls = tuple(ToolCall(p.id or "", p.name or "", p.arguments) for p in first.calls.values())
    assert [(c.name, json.loads(c.arguments)) for c in calls] == [
        ("weather", {"city": "Zürich"}),
        ("time", {"city": "Zürich"}),
    ]
    assert len({c.id for c in calls}) == 2
    results = tuple(Message("tool", c.name, tool_call_id=c.id) for c in calls)
    messages = (*HELLO, Message("assistant", "", tool_calls=calls), *results)
    assert asker.ask(stream=stream, params={"tools": [WEATHER, TIME]}, messages=messages).text == "The tool said: time"


@both
def test_a_call_without_arguments_has_an_empty_object(asker: Asker, stream: bool) -> None:
    heard = asker.ask("no-arguments", stream=stream, params={"tools": [TIME], "tool_choice": "required"})
    assert heard.calls[0].arguments == "{}"


def test_a_named_tool_and_none_are_asked_for_in_the_wires_words(asker: Asker) -> None:
    named = {"type": "function", "function": {"name": "weather"}}
    assert asker.ask(params={"tools": [WEATHER], "tool_choice": named}).finish == "tool_calls"
    assert asker.ask(params={"tools": [WEATHER], "tool_choice": "none"}).text == SAID


@both
def test_a_picture_is_sent_as_data(asker: Asker, stream: bool) -> None:
    messages = (Message("user", (TextPart("What is this?"), ImagePart(PIXEL))),)
    assert asker.ask(stream=stream, messages=messages).text == "I see 1 picture(s): image/png"


@both
def test_json_mode_is_asked_for(asker: Asker, stream: bool) -> None:
    for form in ({"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}):
        heard = asker.ask(stream=stream, params={"response_format": form})
        assert json.loads(heard.text) == {"answer": "Grüß dich 🎉"}


@both
def test_an_answer_cut_by_max_tokens_ends_in_length(asker: Asker, stream: bool) -> None:
    heard = asker.ask(stream=stream, max_tokens=2)
    assert (heard.text, heard.finish) == ("Answer to: ", "length")


def test_stop_words_and_sampling_reach_the_provider(asker: Asker) -> None:
    params = {"stop": "dich", "temperature": 0.5, "top_p": 0.9}
    assert asker.ask("claude-3-5-haiku", params=params).text == "Answer to: Grüß "
    assert asker.ask(params={"stop": ["xyz", "Grüß"]}).text == "Answer to: "


@both
def test_several_answers_at_once(asker: Asker, member: Member, stream: bool) -> None:
    heard = asker.ask(stream=stream, params={"n": 2})
    if member.many:
        assert heard.texts == {0: SAID, 1: SAID}
        assert heard.finishes == {0: "stop", 1: "stop"}
    else:
        assert heard.kind == "invalid_request"


def test_the_key_goes_in_a_header_and_never_into_the_url(asker: Asker, upstream: EmulatedProviders) -> None:
    asker.ask(secret="sk-canary-9")
    entry = upstream.log()[0]
    assert "canary" not in entry["path"]
    assert [value for name, value in entry["headers"].items() if "sk-canary-9" in value] != []


def test_no_header_for_a_key_that_is_not_there(asker: Asker, member: Member, upstream: EmulatedProviders) -> None:
    asker.ask(secret=None)
    assert not upstream.log()[0]["headers"].keys() & {"authorization", "x-api-key", "x-goog-api-key"}


@both
@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("status-400", "invalid_request"),
        ("status-422", "invalid_request"),
        ("status-401", "key_rejected"),
        ("status-402", "key_rejected"),
        ("status-403", "key_rejected"),
        ("status-404", "model_gone"),
        ("gone", "model_gone"),
        ("status-408", "server_error"),
        ("status-409", "server_error"),
        ("status-410", "model_gone"),
        ("status-413", "too_large"),
        ("status-425", "server_error"),
        ("status-429", "rate_limited"),
        ("status-500", "server_error"),
        ("status-502", "server_error"),
        ("status-503", "server_error"),
        ("status-504", "server_error"),
        ("status-520", "server_error"),
        ("status-529", "server_error"),
        ("quota", "key_rejected"),
        ("bad-key", "key_rejected"),
        ("quotes-key", "key_rejected"),
        ("too-long", "context_length_exceeded"),
        ("filtered", "content_filtered"),
        ("redirect-301", "bad_reply"),
        ("redirect-302", "bad_reply"),
        ("redirect-307", "bad_reply"),
        ("redirect-308", "bad_reply"),
    ],
)
def test_fault_4_07_to_4_10_a_status_is_the_fault_that_it_means(
    asker: Asker, model: str, kind: str, stream: bool
) -> None:
    heard = asker.ask(model, stream=stream)
    assert heard.kind == kind
    assert heard.deltas == 0


@pytest.mark.parametrize(
    ("model", "seconds"), [("retry-after-0.5", 0.5), ("retry-ms-500", 0.5), ("retry-delay-34s", 34.0)]
)
def test_fault_4_11_the_wait_that_a_provider_asks_for_is_kept(asker: Asker, model: str, seconds: float) -> None:
    heard = asker.ask(model)
    assert heard.fault is not None
    assert heard.fault.retry_after == seconds


@both
@pytest.mark.parametrize("model", ["quotes-key", "quotes-key-200"])
@pytest.mark.parametrize("secret", ["sk-canary-0123456789abcdef", "a plain word"])
def test_fault_4_24_a_key_that_the_provider_quotes_is_masked(
    asker: Asker, model: str, secret: str, stream: bool
) -> None:
    heard = asker.ask(model, secret=secret, stream=stream)
    assert heard.fault is not None
    assert secret not in str(heard.fault) + heard.fault.message
    assert "Incorrect API key provided" in heard.fault.message


def test_fault_3_01_closing_in_mid_stream_closes_the_providers_connection(
    asker: Asker, upstream: EmulatedProviders
) -> None:
    call = asker.call("chunks-1000+tick-5")
    with closing(cast(Any, asker.service.chat(call, patient(), Cancel()))) as events:
        first = next(event for event in events if isinstance(event, Delta))
    assert first.text == "token "
    upstream.wait_for(lambda log: log[0]["left"], seconds=1.0)


def test_a_cancel_ends_a_silent_call_at_once(asker: Asker, upstream: EmulatedProviders) -> None:
    cancel = Cancel()
    events: Iterator[object] = asker.service.chat(asker.call("silent-after-1"), patient(), cancel)
    next(event for event in events if isinstance(event, Delta))
    cancel.cancel("client gone")
    with pytest.raises(Exception, match="client gone"):
        list(events)
    upstream.wait_for(lambda log: log[0]["left"], seconds=1.0)


@both
def test_a_connection_is_used_again_after_a_whole_answer(
    asker: Asker, upstream: EmulatedProviders, stream: bool
) -> None:
    for _ in range(4):
        assert asker.ask(stream=stream).finish == "stop"
    assert len({entry["connection"] for entry in upstream.log()}) == 1
