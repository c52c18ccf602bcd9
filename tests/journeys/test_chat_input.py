"""Hostile and wrong chat bodies, one table: what is sent, at which doors, and what is owed for it.

After each: the door's error shape with status, code and field; nothing is stored; no provider was asked.
Rows about bytes that are no JSON at all stand with the doors (room 2, rows 1 to 7).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.journeys.gateway import GEMINI, GROQ, Gateway
from tests.journeys.invariants import assert_error

APP, OPENAI, SHORT = "/llm/chat", "/v1/chat/completions", "/chat"
BODIES: dict[str, dict[str, Any]] = {
    APP: {"message": "hello"},
    OPENAI: {"model": GROQ, "messages": [{"role": "user", "content": "hello"}]},
    SHORT: {"prompt": "hello"},
}
ALL, CHATS = (APP, OPENAI, SHORT), (APP, OPENAI)
CODES = {400: "invalid_request", 403: "forbidden", 404: "not_found", 413: "too_large", 415: "unsupported_media"}
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


class Raw(str):
    """JSON text to be sent as it is where a value stands."""

    __slots__ = ()


@dataclass(frozen=True)
class Row:
    """fields: laid over a good body; at the short door `model` and `ignore_cache` go into the query."""

    name: str
    fields: dict[str, Any]
    doors: tuple[str, ...] = CHATS
    field: str | None = None
    status: int = 400


def _each(row: str, doors: tuple[str, ...], field: str, values: list[Any], status: int = 400) -> Iterator[Row]:
    for value in values:
        shown = json.dumps(value)[:40] if not isinstance(value, Raw) else "raw"
        yield Row(f"{row} {field} {shown}", {field: value}, doors, field, status)


def _messages(row: str, field: str | None, *messages: Any, status: int = 400) -> Row:
    return Row(f"{row} {field} {json.dumps(messages)[:60]}", {"messages": list(messages)}, (OPENAI,), field, status)


def _user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def _call(*ids: str) -> dict[str, Any]:
    calls = [{"id": i, "type": "function", "function": {"name": "f", "arguments": "{}"}} for i in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def _result(call_id: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": "done"}


def _tool(name: Any = "f", **schema: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object", **schema}}}


def _picture(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def _data(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


#: A value of each JSON type; a field is sent all that it does not take.
TYPES: dict[str, Any] = {"text": "x", "whole": 5, "part": 1.5, "flag": True, "list": [], "object": {}}
#: What each field takes, besides null.
TAKES: dict[str, dict[str, set[str]]] = {
    APP: {
        "message": {"text"}, "conversation_id": {"text"}, "model": {"text"}, "strategy": {"text"}, "system": {"text"},
        "temperature": {"whole", "part"}, "max_tokens": {"whole"}, "stream": {"flag"}, "ignore_cache": {"flag"},
        "web_search": {"flag", "text"}, "memory": {"flag"}, "attachments": {"list"}, "fallbacks": {"list"},
        "replaces": {"text"},
    },
    OPENAI: {
        "model": {"text"}, "messages": {"list"}, "stream": {"flag"}, "stream_options": {"object"},
        "max_tokens": {"whole"}, "max_completion_tokens": {"whole"}, "temperature": {"whole", "part", "flag"},
        "top_p": {"whole", "part"}, "n": {"whole"}, "seed": {"whole"}, "stop": {"text", "list"}, "tools": {"list"},
        "tool_choice": {"text", "object"}, "response_format": {"object"}, "logprobs": {"flag"},
        "top_logprobs": {"whole"}, "logit_bias": {"object"}, "user": {"text"}, "presence_penalty": {"whole", "part"},
        "frequency_penalty": {"whole", "part"}, "parallel_tool_calls": {"flag"}, "fallbacks": {"list"},
        "models": {"list"}, "strategy": {"text"},
    },
    SHORT: {"prompt": {"text"}, "mode": {"text"}, "session_id": {"text"}},
}  # fmt: skip


def _wrong_types() -> Iterator[Row]:
    for door, fields in TAKES.items():
        for field, takes in fields.items():
            for kind, value in TYPES.items():
                if kind not in takes:
                    yield Row(f"wrong-type {field} is a {kind}", {field: value}, (door,), field)


DIGITS = Raw("9" * 4301)
ROWS: list[Row] = [
    *_wrong_types(),
    # 2.8 parameters
    *_each("2.08", CHATS, "stream", ["yes", 1, "true", 0]),
    *_each("2.08", CHATS, "max_tokens", [2_000_000_000, -1, 0, 1.5, "5", True, DIGITS, Raw("1e3")]),
    *_each("2.08", (OPENAI,), "max_completion_tokens", [-1, 0, True]),
    *_each("2.08", CHATS, "temperature", ["hot", -1, 3, True]),
    *_each("2.08", (OPENAI,), "n", [10**9, 0, 9, -1, True]),
    *_each("2.08", (OPENAI,), "seed", [2**70, Raw("-1" + "0" * 30)]),
    *_each("2.08", (OPENAI,), "top_p", [-0.1, 1.1]),
    *_each("2.08", (OPENAI,), "stop", [["x"] * 100_000, ["x"] * 17]),
    Row("2.08 an empty stop", {"stop": [""]}, (OPENAI,), "stop[0]"),
    *_each("2.08", (OPENAI,), "logit_bias", [{str(n): 1 for n in range(100_000)}]),
    Row("2.08 a bias that is none", {"logit_bias": {"5": "much"}}, (OPENAI,), "logit_bias.5"),
    Row("2.08 usage wished for wrongly", {"stream_options": {"include_usage": 1}}, (OPENAI,),
        "stream_options.include_usage"),
    # 2.11 messages
    _messages("2.11", "messages"),
    _messages("2.11", "messages", {"role": "system", "content": "hi"}),
    _messages("2.11", "messages", {"role": "assistant", "content": "hi"}),
    *[_messages("2.11", "messages[1].role", _user("x"), {"role": role, "content": "x"})
      for role in ("admin", "SYSTEM", None, 5, "", "function")],
    _messages("2.11", "messages[0].role", {"content": "x"}),
    *[_messages("2.11", "messages[0].content", _user(content)) for content in (5, None, True, 1.5)],
    _messages("2.11", "messages[1].content", _user("x"), {"role": "assistant", "content": None}),
    _messages("2.11", "messages[0].content[0].type", _user([{"type": "hologram"}])),
    _messages("2.11", "messages[0].content[0].type", _user([{"text": "x"}])),
    _messages("2.11", "messages[0].content[0].text", _user([{"type": "text", "text": 5}])),
    _messages("2.11", "messages[0].content[0].type", _user(["x"])),
    _messages("2.11", "messages[1]", _user("x"), "hello"),
    _messages("2.11", "messages[1]", _user("x"), None),
    _messages("2.11", "messages[1].tool_call_id", _user("x"), _result("c1")),
    _messages("2.11", "messages[1].tool_call_id", _user("x"), _result(None)),
    _messages("2.11", "messages[2].tool_call_id", _user("x"), _call("c1"), _result("c2")),
    _messages("2.11", "messages[3].tool_call_id", _user("x"), _call("c1"), _result("c1"), _result("c1")),
    _messages("2.11", "messages[1].tool_calls[1].id", _user("x"), _call("c1", "c1"), _result("c1")),
    _messages("2.11", "messages[1].tool_calls[0].id", _user("x"), _call("c1"), _user("y")),
    _messages("2.11", "messages[1].tool_calls[0].id", _user("x"), _call("c1")),
    _messages("2.11", "messages[1].tool_calls[0]", _user("x"),
              {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "f"}}]}, _result("c1")),
    _messages("2.11", "messages[0].tool_call_id", {"role": "user", "content": "x", "tool_call_id": "c1"}),
    _messages("2.11", "messages[0].name", {"role": "user", "content": "x", "name": 5}),
    Row("2.10 too many messages", {"messages": [_user("x")] * 10_001}, (OPENAI,), "messages"),
    Row("2.10 too many parts", {"messages": [_user([{"type": "text", "text": "x"}] * 1_001)]}, (OPENAI,),
        "messages[0].content"),
    # 2.12 models
    *_each("2.12", ALL, "model", ["no-such-model", "", "x" * 300, "../../x", "a\r\nX-Evil: 1", "x?key=",
                                  "m:generateContent#", "groq/", "/", "nobody/" + GROQ, "AUTO", " " + GROQ], 404),
    *_each("2.12", CHATS, "model", [5, "x" * 301]),
    Row("2.12 no model", {"model": None}, (OPENAI,), "model"),
    Row("2.12 a model that does not chat", {"model": "whisper-large-v3-turbo"}, ALL, "model"),
    # 2.13 fields that steer, that cost
    *[Row(f"2.13 {name}", {name: value}, CHATS, name)
      for name, value in {
          "api_base": "http://127.0.0.1:1", "base_url": "http://127.0.0.1:1", "api_key": "sk-x", "extra_headers": {},
          "extra_query": {"a": "b"}, "extra_body": {"model": "x"}, "organization": "org", "proxy": "http://x",
          "timeout": 1, "mock_response": "hello", "service_tier": "flex", "store": True, "background": True,
          "prediction": {"type": "content", "content": "x"},
      }.items()],
    *[Row(f"2.13 steering by nothing: {name}", {name: value}, (OPENAI,), name)
      for name, value in {"extra_headers": {}, "api_base": "", "timeout": 0}.items()],
    # 2.14 fallbacks
    *_each("2.14", CHATS, "fallbacks", [[GROQ] * 10_000, [GROQ] * 9]),
    Row("2.14 numbers", {"fallbacks": [GROQ, 5]}, CHATS, "fallbacks[1]"),
    Row("2.14 an unknown one", {"fallbacks": [GEMINI, "no-such-model"]}, CHATS, "fallbacks[1]"),
    Row("2.14 an empty one", {"fallbacks": [""]}, CHATS, "fallbacks[0]"),
    Row("2.14 too many models", {"models": [GROQ] * 9}, (OPENAI,), "models"),
    # 2.15 tools
    Row("2.15 129 tools", {"tools": [_tool(f"f{n}") for n in range(129)]}, (OPENAI,), "tools"),
    Row("2.15 1 MB of schema", {"tools": [_tool("f", description="x" * 1_000_000)]}, (OPENAI,), "tools[0]"),
    Row("2.15 a tool without a name", {"tools": [{"type": "function", "function": {}}]}, (OPENAI,),
        "tools[0].function.name"),
    Row("2.15 a tool that is text", {"tools": ["f"]}, (OPENAI,), "tools[0]"),
    Row("2.15 a tool without a function", {"tools": [{"type": "function"}]}, (OPENAI,), "tools[0].function"),
    Row("2.15 choice of a word", {"tools": [_tool()], "tool_choice": "always"}, (OPENAI,), "tool_choice"),
    Row("2.15 a format of an unknown type", {"response_format": {"type": "xml"}}, (OPENAI,), "response_format"),
    # 2.16 pictures
    *[_messages("2.16", "messages[0].content[1].image_url.url", _user([{"type": "text", "text": "x"}, _picture(url)]))
      for url in ("data:image/png;base64,%%%", "data:image/png;base64,abc", "data:image/png,abc", "http://x.test/a.png",
                  "file:///etc/passwd", "ftp://x.test/a", "javascript:alert(1)", "", "data:")],
    *[_messages("2.16", "messages[0].content[0].image_url.url", _user([_picture(url)]), status=415)
      for url in (_data("text/html", b"<script>"), _data("image/svg+xml", b"<svg/>"), _data("image/png", b"<html>"),
                  _data("application/pdf", b"%PDF"), _data("image/tiff", b"II*\0"))],
    _messages("2.16", "messages[0].content[0].image_url", _user([{"type": "image_url"}])),
    _messages("2.16", "messages[0].content.image_url.url", _user(_picture("http://x.test/a.png"))),
    Row("2.16 2,000 pictures", {"messages": [_user([_picture(_data("image/png", PNG))] * 2_000)]}, (OPENAI,),
        "messages[0].content"),
    _messages("2.16", "messages[0].content[0].input_audio", _user([{"type": "input_audio", "input_audio": {}}])),
    _messages("2.16", "messages[0].content[0].input_audio.data",
              _user([{"type": "input_audio", "input_audio": {"data": "%%", "format": "wav"}}])),
    # 2.18 left out, null, empty
    Row("2.18 no message", {"message": None}, (APP,), "message"),
    Row("2.18 no messages", {"messages": None}, (OPENAI,), "messages"),
    Row("2.18 no prompt", {"prompt": None}, (SHORT,), "prompt"),
    *[Row(f"2.18 an empty message {text!r}", {field: text}, (door,), field)
      for door, field in ((APP, "message"), (SHORT, "prompt")) for text in ("", " ", "\n\t\u2003")],
    Row("2.18 an unknown field", {"foo": 1}, (APP, SHORT), "foo"),
    Row("2.18 a field of another door", {"messages": []}, (APP, SHORT), "messages"),
    Row("2.18 a field of another door", {"prompt": "x"}, (APP,), "prompt"),
    # 2.21 combinations, and what is not here yet
    Row("2.21 message and template", {"template_id": "t1"}, (APP, SHORT), "template_id"),
    Row("2.21 10^5 variables", {"template_vars": {str(n): n for n in range(100_000)}}, (APP, SHORT), "template_vars"),
    Row("2.21 attachments", {"attachments": ["f1"] * 10_000}, (APP,), "attachments"),
    Row("2.21 attachments twice", {"attachments": ["f1", "f1"]}, (APP,), "attachments"),
    *_each("2.21", (SHORT,), "mode", ["video", "TEXT", ""]),
    *_each("2.21", CHATS, "strategy", ["cheapest", ""]),
    *_each("2.21", (APP,), "cache", ["exact"]),
    Row("2.21 fallbacks and models differ", {"fallbacks": [GROQ], "models": [GEMINI]}, (OPENAI,), "models"),
    # the conversation
    Row("unknown conversation", {"conversation_id": "nope"}, (APP,), "conversation_id", 404),
    Row("conversation of another spelling", {"conversation_id": "../../etc"}, (APP,), "conversation_id", 404),
    Row("conversation of nothing", {"conversation_id": ""}, (APP,), "conversation_id"),
    Row("conversation of 129", {"conversation_id": "x" * 129}, (APP,), "conversation_id"),
    Row("replaces without its conversation", {"replaces": "x"}, (APP,), "conversation_id"),
    *_each("session", (SHORT,), "session_id", ["", "a/b", "x" * 129, "a\u0007b", "a\nb", "\x7f"]),
    # text that no store keeps, naming the field
    *[Row(f"2.05 NUL in {field}", {field: "a\0b"}, (door,), field)
      for door, field in ((APP, "message"), (APP, "system"), (SHORT, "prompt"), (SHORT, "session_id"))],
    _messages("2.05", "messages[0].content", _user("a\0b")),
]  # fmt: skip


def _cases() -> Iterator[Any]:
    seen: dict[str, int] = {}
    for row in ROWS:
        for door in row.doors:
            name = f"{row.name} {door}"
            seen[name] = seen.get(name, 0) + 1
            yield pytest.param(row, door, id=name if seen[name] == 1 else f"{name} {seen[name]}")


@pytest.mark.parametrize(("row", "door"), list(_cases()))
def test_a_wrong_chat_is_refused_by_name_and_nothing_comes_of_it(gateway: Gateway, row: Row, door: str) -> None:
    before = gateway.stored()
    reply = _send(gateway, door, row.fields)
    assert_error(reply, row.status, CODES[row.status], row.field)
    assert gateway.stored() == before
    assert [call for call in gateway.upstream.log() if call["method"] == "POST"] == []


def _send(gateway: Gateway, door: str, fields: dict[str, Any], headers: dict[str, str] | None = None) -> Any:
    fields = dict(fields)
    query = {name: fields.pop(name) for name in ("model", "ignore_cache") if door == SHORT and name in fields}
    body = BODIES[door] | {name: value for name, value in fields.items() if not isinstance(value, Raw)}
    data = json.dumps(body)
    for name, value in fields.items():
        if isinstance(value, Raw):
            data = f'{data[:-1]}, "{name}": {value}}}'
    sent = {"Content-Type": "application/json"} | (headers or {})
    return gateway.http.post(gateway.url + door, params=query, data=data.encode(), headers=sent, timeout=20)


@pytest.mark.parametrize("door", ALL)
def test_fault_2_20_a_word_for_leaving_that_nobody_knows_is_refused(gateway: Gateway, door: str) -> None:
    reply = _send(gateway, door, {}, {"X-On-Disconnect": "maybe"})
    assert_error(reply, 400, "invalid_request", "X-On-Disconnect")


@pytest.mark.parametrize("query", [{"ignore_cache": "maybe"}, {"temperature": "1"}, {"stream": "true"}])
def test_a_query_that_the_short_door_does_not_know_is_refused(gateway: Gateway, query: dict[str, str]) -> None:
    reply = gateway.http.post(f"{gateway.url}/chat", params=query, json={"prompt": "x"}, timeout=20)
    assert_error(reply, 400, "invalid_request", next(iter(query)))


@pytest.mark.parametrize("door", ALL)
def test_fault_2_10_a_message_of_10_mb_is_too_large(gateway: Gateway, door: str) -> None:
    field = {APP: "message", OPENAI: "messages", SHORT: "prompt"}[door]
    text = "x" * (10 * 2**20)
    before = gateway.stored()
    reply = _send(gateway, door, {field: [_user(text)] if door == OPENAI else text})
    assert_error(reply, 413, "too_large")
    assert gateway.stored() == before


# --- what must pass ------------------------------------------------------------------------------------------------


GOOD: list[tuple[str, dict[str, Any]]] = [
    (OPENAI, {"messages": [_user("")]}),
    (OPENAI, {"messages": [_user({"type": "text", "text": "alone"})]}),
    (OPENAI, {"messages": [{"role": "developer", "content": "be brief"}, _user("x")]}),
    (OPENAI, {"store": False, "temperature": None, "stop": None, "tools": None, "stream": None}),
    (OPENAI, {"n": 8, "stop": ["a"] * 16, "seed": 2**63 - 1, "temperature": 2, "top_p": 1}),
    (OPENAI, {"tools": [_tool("f", **{"$ref": "#/a", "pattern": "(a+)+$"})]}),
    (OPENAI, {"tools": [_tool("f", **{"$ref": "http://x.test/schema"}), _tool("f")]}),
    (OPENAI, {"tools": [_tool("with\nnewline"), _tool("server.tool")]}),
    (OPENAI, {"tools": [_tool(f"f{n}") for n in range(128)]}),
    (OPENAI, {"messages": [_user("x"), _call("c1", "c2"), _result("c2"), _result("c1"), _user("y")]}),
    (OPENAI, {"models": [GEMINI], "fallbacks": [GEMINI]}),
    (OPENAI, {"fallbacks": [GROQ, GROQ, "auto", "gemini", "demo"]}),
    (APP, {"model": None, "conversation_id": None, "stream": None, "attachments": [], "memory": False}),
    (APP, {"message": "עברית العربية 👩‍👩‍👧‍👦 e\u0301 \u2028\u2029 \ufffe", "max_tokens": 1}),
    (APP, {"fallbacks": ["claude-haiku-5-5"] * 8, "strategy": "lowest_cost"}),
    (SHORT, {"mode": "auto", "session_id": "söme session.1", "model": GROQ, "ignore_cache": "true"}),
    (SHORT, {"mode": "text", "session_id": None}),
]


@pytest.mark.parametrize(("door", "fields"), GOOD, ids=[f"{door} {list(f)}" for door, f in GOOD])
def test_what_may_be_sent_is_answered(gateway: Gateway, door: str, fields: dict[str, Any]) -> None:
    reply = _send(gateway, door, fields)
    assert reply.status_code == 200, reply.text


TOKENS = ["<|endoftext|>", "<|im_start|>system", "<|eot_id|>", "[INST]", "<s>", "<bos>", "<start_of_turn>model"]


@pytest.mark.parametrize("door", ALL)
def test_fault_2_19_words_of_tokenizers_are_text(gateway: Gateway, door: str) -> None:
    text = " ".join(TOKENS)
    field = {APP: "message", OPENAI: "messages", SHORT: "prompt"}[door]
    reply = _send(gateway, door, {field: [_user(text)] if door == OPENAI else text, "model": GROQ})
    assert text in reply.json().__str__()
    assert gateway.upstream.log()[-1]["body"]["messages"][-1]["content"] == text


# --- who may ask for what ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def narrow_key(embedded_gateway: Gateway) -> dict[str, str]:
    """A key that may use one model."""
    reply = embedded_gateway.post("/api/keys", {"name": "narrow", "models": [GEMINI]})
    assert reply.status_code == 201, reply.text
    return {"Authorization": f"Bearer {reply.json()['data']['key']}"}


@pytest.mark.parametrize("door", ALL)
def test_fault_2_12_a_model_that_the_key_may_not_use_is_forbidden(
    gateway: Gateway, narrow_key: dict[str, str], door: str
) -> None:
    before = gateway.stored()
    assert_error(_send(gateway, door, {"model": GROQ}, narrow_key), 403, "forbidden", "model")
    assert gateway.stored() == before
    assert _send(gateway, door, {"model": GEMINI}, narrow_key).headers["x-model"] == GEMINI


@pytest.mark.parametrize("door", CHATS)
def test_fault_2_14_a_forbidden_fallback_is_forbidden(gateway: Gateway, narrow_key: dict[str, str], door: str) -> None:
    reply = _send(gateway, door, {"model": GEMINI, "fallbacks": [GROQ]}, narrow_key)
    assert_error(reply, 403, "forbidden", "fallbacks[0]")


@pytest.mark.parametrize("door", ALL)
def test_fault_2_14_the_keys_models_bind_behind_auto_and_after_a_failure(
    gateway: Gateway, narrow_key: dict[str, str], door: str
) -> None:
    assert _send(gateway, door, {"model": "auto"}, narrow_key).headers["x-model"] == GEMINI
    gateway.all_providers("status-500")
    assert_error(_send(gateway, door, {"model": "auto"}, narrow_key), 502, "upstream_failed")
    asked = {call["path"] for call in gateway.upstream.log() if call["method"] == "POST"}
    assert asked == {f"/v1beta/models/{GEMINI}:generateContent"}


def test_another_users_conversation_is_as_unknown_as_one_that_never_was(gateway: Gateway) -> None:
    mine, stranger = gateway.say("secret"), gateway.user()
    before = gateway.stored()
    bodies = []
    for conversation in (mine["conversation_id"], "0" * 32):
        fields = {"conversation_id": conversation, "replaces": mine["prompt_id"]}
        for more in ({"conversation_id": conversation}, fields):
            reply = _send(gateway, APP, more, stranger)
            assert_error(reply, 404, "not_found", "conversation_id")
            bodies.append(reply.json())
    assert all(body == bodies[0] for body in bodies)
    assert gateway.stored() == before
    reply = _send(gateway, SHORT, {"session_id": mine["conversation_id"]}, stranger)
    assert reply.status_code == 200, "a name is a caller's own"
    assert [m["content"] for m in gateway.history(mine["conversation_id"])] == ["secret", "Answer to: secret"]


@pytest.mark.parametrize("door", ALL)
def test_fault_2_17_no_token_and_a_bad_one_ask_nobody(gateway: Gateway, door: str) -> None:
    before = gateway.stored()
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer sk-nobody"}):
        reply = _send(gateway, door, {}, headers | {"X-Forwarded-For": "203.0.113.9"})
        assert_error(reply, 401, "unauthorized")
    assert gateway.stored() == before
