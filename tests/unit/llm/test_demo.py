"""The embedded model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from app.domain.chat import ImagePart, Message, ProviderCall, TextPart
from app.domain.errors import ProviderFault
from app.domain.events import Delta, Finish, ProviderEvent, UsageReport
from app.services.llm.demo import DemoService
from app.utils.cancel import Cancel
from app.utils.patience import Patience

ASK = (Message("user", "Grüß dich 🎉 \u202eabc"),)


def ask(
    messages: tuple[Message, ...] = ASK, *, stream: bool = True, params: Mapping[str, Any] | None = None,
    max_tokens: int | None = None, cancel: Cancel | None = None,
) -> list[ProviderEvent]:  # fmt: skip
    call = ProviderCall("demo", "", None, messages, stream, params or {}, max_tokens)
    patience = Patience(deadline=time.monotonic() + 9, first=9, stall=9)
    return list(DemoService(pause=0).chat(call, patience, cancel or Cancel()))


def text_of(events: list[ProviderEvent], choice: int = 0) -> str:
    return "".join(e.text for e in events if isinstance(e, Delta) and e.choice == choice)


def test_it_says_what_it_is_and_repeats_what_was_asked() -> None:
    said = text_of(ask())
    assert "demo model" in said
    assert "Grüß dich 🎉 \u202eabc" in said


def test_a_stream_is_many_words_and_a_whole_reply_one() -> None:
    streamed, whole = ask(), ask(stream=False)
    assert text_of(streamed) == text_of(whole)
    assert sum(isinstance(e, Delta) for e in streamed) > 20
    assert sum(isinstance(e, Delta) for e in whole) == 1


def test_it_ends_in_one_finish_and_counts_tokens() -> None:
    events = ask()
    assert [e for e in events if isinstance(e, Finish)] == [Finish("stop")]
    usage = next(e.usage for e in events if isinstance(e, UsageReport))
    assert usage.prompt > 0
    assert usage.completion > 20


def test_max_tokens_and_stop_words_end_it_as_they_would_a_real_one() -> None:
    short = ask(max_tokens=5)
    assert short[-2] == Finish("length")
    assert 0 < len(text_of(short)) <= 20
    stopped = ask(params={"stop": ["You said"]})
    assert stopped[-2] == Finish("stop")
    assert "You said" not in text_of(stopped)


def test_several_answers() -> None:
    events = ask(params={"n": 2})
    assert text_of(events, 0) == text_of(events, 1) != ""
    assert [e.choice for e in events if isinstance(e, Finish)] == [0, 1]


def test_json_forms_are_kept_to() -> None:
    assert orjson.loads(text_of(ask(params={"response_format": {"type": "json_object"}})))["you_said"].startswith(
        "Grüß"
    )
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer"},
            "kind": {"enum": ["a", "b"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "inner": {"type": "object", "properties": {"ok": {"type": "boolean"}}},
        },
    }
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    value = orjson.loads(text_of(ask(params={"response_format": form})))
    assert (value["age"], value["kind"], value["tags"], value["inner"]) == (1, "a", [], {"ok": True})


def test_a_tool_is_called_where_it_must_be() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}}}}}
    events = ask(params={"tools": [tool], "tool_choice": "required"})
    assert isinstance(events[0], Delta)
    assert events[0].tool_calls[0].name == "f"
    assert events[1] == Finish("tool_calls")
    assert "demo model" in text_of(ask(params={"tools": [tool]}))


@pytest.mark.parametrize("content", [None, "", "x" * 100_000, (TextPart("a"), ImagePart("data:image/png;base64,AA=="))])
def test_any_content_is_answered(content: Any) -> None:
    assert text_of(ask((Message("system", "Be kind"), Message("user", content))))


def test_it_stops_when_the_caller_has_gone() -> None:
    cancel = Cancel()
    cancel.cancel("client gone")
    with pytest.raises(ProviderFault) as caught:
        ask(cancel=cancel)
    assert caught.value.kind == "cancelled"
