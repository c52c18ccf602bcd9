"""No chunk makes a wire's reader crash, and what it lets through is typed."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from app.adapters import anthropic, gemini, openai_chat
from app.adapters.wire import Answers
from app.domain.errors import ProviderFault
from app.domain.events import Delta, Finish, ProviderEvent, Skipped, ToolCallPart, UsageReport
from app.utils.patience import Patience
from tests.providers.speech import WIRES, Asked, answer

READERS: dict[str, Any] = {"openai": openai_chat, "gemini": gemini, "anthropic": anthropic}
ODD = st.sampled_from([None, True, 5, -1, 10**12, 1.5, "", "12", "é", [], [None], {}, {"a": None}, [[]], [{}], "NaN"])
every_wire = pytest.mark.parametrize("wire", list(READERS))


def patience() -> Patience:
    return Patience(deadline=time.monotonic() + 60, first=60, stall=60)


def chunks_of(wire: str, tools: bool = False) -> list[Any]:
    asked = Asked(wire, "m", True, "Grüß dich", tools=["weather", "time"] if tools else [], prompt_tokens=9)
    return WIRES[wire].chunks(asked, answer(asked, {"reasoning", "two-tools"}))


def run(wire: str, chunks: list[Any]) -> tuple[list[ProviderEvent], ProviderFault | None]:
    data = [
        chunk if isinstance(chunk, bytes) else b"[DONE]" if chunk == "[DONE]" else orjson.dumps(chunk)
        for chunk in chunks
    ]
    events: list[ProviderEvent] = []
    try:
        events.extend(READERS[wire].decode_stream(data, Answers(), patience()))
    except ProviderFault as fault:
        return events, fault
    return events, None


def check(events: list[ProviderEvent]) -> None:
    for event in events:
        if isinstance(event, Delta):
            assert isinstance(event.text, str)
            assert isinstance(event.reasoning, str)
            assert type(event.choice) is int
            for part in event.tool_calls:
                assert isinstance(part.arguments, str)
                assert isinstance(part.id, str | None)
                assert isinstance(part.name, str | None)
        if isinstance(event, UsageReport):
            u = event.usage
            assert 0 <= u.cached <= u.prompt
            assert 0 <= u.reasoning <= u.completion


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield from places(inner, (*path, key))


def put(value: Any, path: tuple[Any, ...], new: Any) -> None:
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new


@every_wire
@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_fault_4_19_a_chunk_spoiled_anywhere_never_crashes_the_reader(wire: str, data: st.DataObject) -> None:
    chunks = copy.deepcopy(chunks_of(wire, tools=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 4))):
        chunk = chunks[data.draw(st.integers(0, len(chunks) - 1))]
        if isinstance(chunk, dict):
            spots = list(places(chunk))
            put(chunk, spots[data.draw(st.integers(0, len(spots) - 1))], copy.deepcopy(data.draw(ODD)))
    events, _ = run(wire, chunks)
    check(events)


@every_wire
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["choices", "candidates", "type", "delta", "error", "usage"]), inner, max_size=3
            )
        ),
    )
)
def test_fault_4_19_any_json_as_a_chunk_or_as_a_reply_never_crashes_the_reader(wire: str, value: Any) -> None:
    events, _ = run(wire, [value, *chunks_of(wire)])
    check(events)
    with pytest.raises(ProviderFault):
        list(READERS[wire].decode_reply(orjson.dumps(value), Answers()))


@every_wire
@given(junk=st.binary(min_size=1, max_size=30))
def test_fault_4_19_bytes_that_are_no_json_are_skipped_and_counted(wire: str, junk: bytes) -> None:
    try:
        orjson.loads(junk)
    except ValueError:
        assume(junk != b"[DONE]")
        events, fault = run(wire, [junk, *chunks_of(wire)])
        assert fault is None
        assert [type(e) for e in events].count(Skipped) == 1


def call_pieces(deltas: list[dict[str, Any]]) -> list[ToolCallPart]:
    chunks = [{"choices": [{"index": 0, "delta": {"tool_calls": [d]}}]} for d in deltas]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}
    events, fault = run("openai", [*chunks, end])
    assert fault is None
    return [part for event in events if isinstance(event, Delta) for part in event.tool_calls]


def piece(arguments: Any, **facts: Any) -> dict[str, Any]:
    name = facts.pop("name", None)
    return {**facts, "function": {**({"name": name} if name else {}), "arguments": arguments}}


def joined(parts: list[ToolCallPart]) -> list[tuple[str | None, str]]:
    calls: dict[int, tuple[str | None, str]] = {}
    for part in parts:
        name, written = calls.get(part.index, (part.name, ""))
        calls[part.index] = (name, written + part.arguments)
    return [calls[index] for index in sorted(calls)]


def test_fault_4_20_interleaved_calls_are_kept_apart() -> None:
    parts = call_pieces(
        [
            piece("", index=0, id="a", name="f"),
            piece("", index=1, id="b", name="g"),
            piece('{"x"', index=0),
            piece("{}", index=1),
            piece(":1}", index=0),
        ]
    )
    assert joined(parts) == [("f", '{"x":1}'), ("g", "{}")]
    assert [p.id for p in parts] == ["a", "b", None, None, None]


def test_fault_4_20_a_missing_index_or_id_is_made_up_for() -> None:
    parts = call_pieces([piece('{"a":', name="f"), piece("1}"), piece("{}", name="g")])
    assert joined(parts) == [("f", '{"a":1}'), ("g", "{}")]
    ids = [p.id for p in parts if p.id]
    assert len(set(ids)) == 2
    assert all(i.startswith("call_") for i in ids)


def test_fault_4_20_an_index_used_for_two_ids_is_two_calls() -> None:
    parts = call_pieces([piece("{}", index=0, id="a", name="f"), piece("{}", index=0, id="b", name="g")])
    assert joined(parts) == [("f", "{}"), ("g", "{}")]


def test_fault_4_20_an_id_in_every_piece_is_one_call() -> None:
    parts = call_pieces([piece("{", index=0, id="a", name="f"), piece("}", index=0, id="a", name="f")])
    assert joined(parts) == [("f", "{}")]
    assert parts[1].name is None


def test_fault_4_20_arguments_that_are_an_object_become_its_json() -> None:
    assert joined(call_pieces([piece({"a": 1}, index=0, id="a", name="f")])) == [("f", '{"a":1}')]
    assert joined(call_pieces([piece(None, index=0, id="a", name="f")])) == [("f", "")]


def test_fault_4_20_cut_arguments_go_on_as_they_came_where_a_finish_follows() -> None:
    assert joined(call_pieces([piece('{"a": [1', index=0, id="a", name="f")])) == [("f", '{"a": [1')]


def openai_events(*choices: dict[str, Any], **more: Any) -> tuple[list[ProviderEvent], ProviderFault | None]:
    return run("openai", [{"choices": [choice], **more} for choice in choices])


def test_content_as_a_list_of_parts_and_a_refusal_are_text() -> None:
    parts = {"index": 0, "delta": {"content": [{"type": "text", "text": "a"}, "b"]}}
    refusal = {"index": 0, "delta": {"content": None, "refusal": "no"}, "finish_reason": "stop"}
    events, _ = openai_events(parts, refusal)
    assert [e.text for e in events if isinstance(e, Delta)] == ["ab", "no"]


def test_fault_4_19_a_later_answer_may_come_first() -> None:
    data = [
        {"choices": [{"index": 1, "delta": {"content": "b"}, "finish_reason": "stop"}]},
        {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]},
    ]
    events = list(openai_chat.decode_stream([orjson.dumps(d) for d in data], Answers(2), patience()))
    assert [(e.choice, e.text) for e in events if isinstance(e, Delta)] == [(1, "b"), (0, "a")]
    assert [e.choice for e in events if isinstance(e, Finish)] == [1, 0]


def test_one_answer_of_two_without_finish_is_a_broken_reply() -> None:
    data = [
        {"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}]},
        {"choices": [{"index": 1, "delta": {"content": "b"}}]},
    ]
    with pytest.raises(ProviderFault) as caught:
        list(openai_chat.decode_stream([orjson.dumps(d) for d in data], Answers(2), patience()))
    assert caught.value.kind == "cut"


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 3}, (5, 3, 0, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}, (5, 3, 4, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 3, "prompt_cache_hit_tokens": 2}, (5, 3, 2, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 6}}, None),
        (
            {"prompt_tokens": 5, "completion_tokens": 3, "completion_tokens_details": {"reasoning_tokens": 2}},
            (5, 3, 0, 2),
        ),
        # xAI counts thoughts beside the completion: 5 + 3 + 7 = 15
        (
            {
                "prompt_tokens": 5,
                "completion_tokens": 3,
                "total_tokens": 15,
                "completion_tokens_details": {"reasoning_tokens": 7},
            },
            (5, 10, 0, 7),
        ),
        ({"prompt_tokens": 5}, None),
        ({"prompt_tokens": True, "completion_tokens": 3}, None),
        ({"prompt_tokens": -5, "completion_tokens": 3}, None),
        ("12", None),
    ],
)
def test_fault_4_21_usage_is_read_or_left_out(usage: Any, expected: tuple[int, ...] | None) -> None:
    events, _ = run("openai", [{"choices": [], "usage": usage}, *chunks_of("openai")[:-2]])
    told = [
        (e.usage.prompt, e.usage.completion, e.usage.cached, e.usage.reasoning)
        for e in events
        if isinstance(e, UsageReport)
    ]
    assert told == ([expected] if expected else [])


def test_usage_that_groq_tells_in_its_own_field_is_read() -> None:
    own = {"choices": [], "x_groq": {"usage": {"prompt_tokens": 5, "completion_tokens": 3}}}
    events, _ = run("openai", [own, *chunks_of("openai")[:-2]])
    assert sum(isinstance(e, UsageReport) for e in events) == 1


def test_thoughts_move_the_patience_on_and_a_bare_role_does_not() -> None:
    waiting = patience()
    chunks = [{"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}]
    list_ = openai_chat.decode_stream([orjson.dumps(c) for c in chunks], Answers(), waiting)
    with pytest.raises(ProviderFault):
        list(list_)
    assert not waiting.got_content
    chunks[0]["choices"][0]["delta"] = {"reasoning": "hm"}
    with pytest.raises(ProviderFault):
        list(openai_chat.decode_stream([orjson.dumps(c) for c in chunks], Answers(), waiting))
    assert waiting.got_content
