"""A first chat at every door, and what is kept of it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.journeys.gateway import GROQ, Gateway, chunks, events, text_of
from tests.journeys.invariants import Invariants, assert_error


def _app(gateway: Gateway, message: str, conversation: str) -> tuple[str, str]:
    said = gateway.say(message, conversation_id=conversation)
    return said["text"], said["prompt_id"]


def _app_stream(gateway: Gateway, message: str, conversation: str) -> tuple[str, str]:
    body = {"message": message, "conversation_id": conversation, "stream": True}
    heard = list(events(gateway.post("/llm/chat", body, stream=True)))
    return text_of(heard), heard[0][1]["prompt_id"]


def _short(gateway: Gateway, message: str, conversation: str) -> tuple[str, str]:
    reply = gateway.post("/chat", {"prompt": message, "session_id": conversation})
    assert reply.status_code == 200, reply.text
    return reply.json()["response"], reply.json()["prompt_id"]


KEEPING_DOORS = [_app, _app_stream, _short]


def _session() -> str:
    return "s-" + uuid.uuid4().hex


def _exchanges(messages: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(question, answer) pairs; each question must stand right before the answer of its own exchange."""
    pairs = list(zip(messages[::2], messages[1::2], strict=True))
    for question, answer in pairs:
        assert (question["role"], answer["role"]) == ("user", "assistant")
        assert question["prompt_id"] == answer["prompt_id"]
    return [(question["content"], answer["content"]) for question, answer in pairs]


def test_the_app_door_answers_whole(gateway: Gateway, invariants: Invariants) -> None:
    reply = gateway.post("/llm/chat", {"message": "Grüß dich 👋 שלום"})
    body = reply.json()
    assert body["status"] == "success"
    data = body["data"]
    assert data["text"] == "Answer to: Grüß dich 👋 שלום"
    assert set(data) == {
        "text", "conversation_id", "model", "provider", "tokens_used", "usage", "prompt_id", "latency_ms", "cost",
        "cached", "fallback", "sources", "images", "reasoning",
    }  # fmt: skip
    assert (data["model"], data["provider"], data["fallback"], data["cached"]) == (GROQ, "groq", False, False)
    assert data["usage"]["total_tokens"] == data["tokens_used"]
    assert data["prompt_id"] == reply.headers["x-request-id"]
    assert float(reply.headers["x-cost-usd"]) == data["cost"] > 0
    assert (reply.headers["x-model"], reply.headers["x-provider"]) == (GROQ, "groq")
    assert reply.headers["x-attempts"] == "1"


def test_the_app_door_streams_start_deltas_and_one_end(gateway: Gateway, invariants: Invariants) -> None:
    reply = gateway.post("/llm/chat", {"message": "tell me", "stream": True}, stream=True)
    heard = list(events(reply))
    names = [name for name, _ in heard]
    assert names[0] == "start"
    assert names[-1] == "end"
    assert set(names[1:-1]) == {"delta"}
    start, end = heard[0][1], heard[-1][1]
    assert start == {"conversation_id": end["conversation_id"], "prompt_id": end["prompt_id"], "model": GROQ}
    assert start["prompt_id"] == reply.headers["x-request-id"]
    assert text_of(heard) == end["text"] == "Answer to: tell me"
    whole = gateway.say("tell me")
    assert set(end) == set(whole)
    assert {n: end[n] for n in ("text", "model", "usage", "cost")} == {
        n: whole[n] for n in ("text", "model", "usage", "cost")
    }


def test_the_openai_door_answers_whole_and_keeps_no_message(gateway: Gateway, invariants: Invariants) -> None:
    before = gateway.stored()
    reply = gateway.openai("hello")
    body = reply.json()
    assert body["object"] == "chat.completion"
    assert body["id"] == reply.headers["x-request-id"]
    assert body["choices"][0]["message"] == {"role": "assistant", "content": "Answer to: hello", "refusal": None}
    assert body["choices"][0]["finish_reason"] == "stop"
    after = gateway.stored()
    assert after["requests"] == before["requests"] + 1
    assert (after["messages"], after["conversations"]) == (before["messages"], before["conversations"])


def test_the_openai_door_streams_chunks_to_the_end_mark(gateway: Gateway, invariants: Invariants) -> None:
    reply = gateway.openai("hello you", stream=True, stream_options={"include_usage": True})
    heard = list(chunks(reply))
    assert heard[-1] == "[DONE]"
    assert {chunk["id"] for chunk in heard[:-1]} == {reply.headers["x-request-id"]}
    assert {chunk["model"] for chunk in heard[:-1]} == {GROQ}
    assert heard[0]["choices"][0]["delta"]["role"] == "assistant"
    said = [chunk["choices"][0]["delta"].get("content", "") for chunk in heard[:-2]]
    assert "".join(said) == "Answer to: hello you"
    assert heard[-3]["choices"][0]["finish_reason"] == "stop"
    assert heard[-2]["choices"] == []
    assert heard[-2]["usage"]["total_tokens"] > 0


def test_the_short_door_answers_without_an_envelope(gateway: Gateway, invariants: Invariants) -> None:
    reply = gateway.post(f"/chat?model={GROQ}", {"prompt": "hello"})
    body = reply.json()
    assert (body["response"], body["type"], body["model"]) == ("Answer to: hello", "text", GROQ)
    assert body["prompt_id"] == reply.headers["x-request-id"]
    assert body["image_url"] is None
    assert gateway.get(f"/history/{body['session_id']}").json()["history"][0]["prompt"] == "hello"


@pytest.mark.parametrize("first", [_app_stream, _short])
@pytest.mark.parametrize("second", KEEPING_DOORS)
def test_a_conversation_goes_on_at_any_other_door(
    any_gateway: Gateway, first: Callable[..., Any], second: Callable[..., Any]
) -> None:
    gateway = any_gateway
    if first is _short:
        conversation = _session()
        _short(gateway, "my name is Ada", conversation)
    else:
        conversation = gateway.say("my name is Ada")["conversation_id"]
        first(gateway, "and I count", conversation)
    gateway.upstream.forget()
    answer, _ = second(gateway, "who am I?", conversation)
    assert answer == "Answer to: who am I?"
    sent = [(m["role"], m["content"]) for m in gateway.upstream.log()[-1]["body"]["messages"]]
    assert sent[0] == ("user", "my name is Ada")
    assert sent[1] == ("assistant", "Answer to: my name is Ada")
    assert sent[-1] == ("user", "who am I?")
    assert _exchanges(gateway.history(conversation))[-1] == ("who am I?", "Answer to: who am I?")


def test_a_system_text_leads_and_is_not_kept(gateway: Gateway) -> None:
    first = gateway.say("one", system="Be short.")
    gateway.say("two", conversation_id=first["conversation_id"], system="Be long.")
    sent = [(m["role"], m["content"]) for m in gateway.upstream.log()[-1]["body"]["messages"]]
    assert sent == [("system", "Be long."), ("user", "one"), ("assistant", "Answer to: one"), ("user", "two")]
    assert len(gateway.history(first["conversation_id"])) == 4


def test_history_tells_what_the_reply_told(gateway: Gateway) -> None:
    said = gateway.say("hello")
    question, answer = gateway.history(said["conversation_id"])
    assert (question["role"], question["content"]) == ("user", "hello")
    assert (answer["content"], answer["state"]) == (said["text"], "complete")
    for name in ("model", "provider", "tokens_used", "cost", "cached", "fallback", "prompt_id"):
        assert answer[name] == said[name], name


def test_the_rows_are_in_sql_when_the_last_byte_has_come(any_gateway: Gateway) -> None:
    gateway = any_gateway
    for _ in range(5):
        reply = gateway.openai("now", stream=True)
        prompt_id = reply.headers["x-request-id"]
        list(chunks(reply))
        assert [row["state"] for row in gateway.request_rows(prompt_id)] == ["complete"]
        heard = list(events(gateway.post("/llm/chat", {"message": "now", "stream": True}, stream=True)))
        prompt_id = heard[0][1]["prompt_id"]
        assert len(gateway.sql("SELECT 1 FROM messages WHERE prompt_id = :id", id=prompt_id)) == 2
        assert len(gateway.request_rows(prompt_id)) == 1


def test_fault_6_11_two_messages_at_once_both_land_beside_their_answers(any_gateway: Gateway) -> None:
    gateway, conversation = any_gateway, _session()
    _short(gateway, "first of all", conversation)
    gateway.behave("tick-20")
    questions = [f"at once, number {n}" for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        doors = [KEEPING_DOORS[n % 3] for n in range(8)]
        answers = list(pool.map(lambda ask: ask[0](gateway, ask[1], conversation), zip(doors, questions, strict=True)))
    assert [text for text, _ in answers] == [f"Answer to: {question}" for question in questions]
    kept = _exchanges(gateway.history(conversation))
    assert sorted(kept[1:]) == sorted((question, f"Answer to: {question}") for question in questions)
    by_id = [m["prompt_id"] for m in gateway.history(conversation)]
    assert by_id == sorted(by_id)
    gateway.upstream.forget()
    _app(gateway, "and all of them?", conversation)
    sent = [m["content"] for m in gateway.upstream.log()[-1]["body"]["messages"]]
    assert sent == [text for pair in kept for text in pair] + ["and all of them?"]


def test_fault_6_11_two_first_messages_of_one_session_make_one_conversation(any_gateway: Gateway) -> None:
    gateway, conversation = any_gateway, _session()
    gateway.behave("tick-20")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: _short(gateway, f"first {n}", conversation), range(4)))
    assert len(gateway.sql("SELECT id FROM conversations WHERE public_id = :id", id=conversation)) == 1
    assert sorted(question for question, _ in _exchanges(gateway.history(conversation))) == [
        f"first {n}" for n in range(4)
    ]


def test_a_conversation_is_rebuilt_from_sql_when_redis_lost_it(production: Gateway) -> None:
    said = production.say("remember me")
    client = production.redis()
    assert client is not None
    client.flushdb()
    production.upstream.forget()
    production.say("who?", conversation_id=said["conversation_id"])
    production.say("and now?", conversation_id=said["conversation_id"])
    first, second = ([m["content"] for m in call["body"]["messages"]] for call in production.upstream.log())
    assert first == ["remember me", "Answer to: remember me", "who?"]
    assert second == [*first, "Answer to: who?", "and now?"]
    assert client.hget(client.keys("v1:conv:*")[0], "built") == b"1"


def test_both_workers_know_a_conversation(production: Gateway) -> None:
    """New connections land on either worker."""
    conversation = _session()
    for n in range(6):
        with production.fresh_connections():
            _short(production, f"number {n}", conversation)
    sent = [m["content"] for m in production.upstream.log()[-1]["body"]["messages"]]
    assert sent == [text for n in range(5) for text in (f"number {n}", f"Answer to: number {n}")] + ["number 5"]


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
def test_replaces_takes_the_exchange_and_all_after_it(any_gateway: Gateway, stream: bool) -> None:
    gateway = any_gateway
    said = [gateway.say("one")]
    conversation = said[0]["conversation_id"]
    said += [gateway.say(text, conversation_id=conversation) for text in ("two", "three")]
    gateway.upstream.forget()
    body = {"conversation_id": conversation, "replaces": said[1]["prompt_id"], "message": "zwei", "stream": stream}
    reply = gateway.post("/llm/chat", body, stream=stream)
    assert reply.status_code == 200
    if stream:
        assert list(events(reply))[-1][0] == "end"
    sent = [m["content"] for m in gateway.upstream.log()[-1]["body"]["messages"]]
    assert sent == ["one", "Answer to: one", "zwei"]
    assert [question for question, _ in _exchanges(gateway.history(conversation))] == ["one", "zwei"]
    assert gateway.receipt(said[2]["prompt_id"])["state"] == "complete"
    again = gateway.say("vier", conversation_id=conversation)
    sent = [m["content"] for m in gateway.upstream.log()[-1]["body"]["messages"]]
    assert sent == ["one", "Answer to: one", "zwei", "Answer to: zwei", "vier"]
    assert again["conversation_id"] == conversation


def test_replaces_without_a_message_asks_the_old_question_again(gateway: Gateway) -> None:
    said = gateway.say("once more")
    reply = gateway.post("/llm/chat", {"conversation_id": said["conversation_id"], "replaces": said["prompt_id"]})
    assert reply.json()["data"]["text"] == "Answer to: once more"
    assert [question for question, _ in _exchanges(gateway.history(said["conversation_id"]))] == ["once more"]


def test_replaces_that_fails_leaves_all_as_it_was(gateway: Gateway, invariants: Invariants) -> None:
    said = gateway.say("keep me")
    gateway.all_providers("status-500")
    body = {"conversation_id": said["conversation_id"], "replaces": said["prompt_id"], "message": "new"}
    assert_error(gateway.post("/llm/chat", body), 502, "upstream_failed")
    assert [question for question, _ in _exchanges(gateway.history(said["conversation_id"]))] == ["keep me"]


def test_replaces_of_an_exchange_elsewhere_is_not_found(gateway: Gateway) -> None:
    here, there = gateway.say("here"), gateway.say("there")
    before = gateway.stored()
    body = {"conversation_id": here["conversation_id"], "replaces": there["prompt_id"], "message": "x"}
    assert_error(gateway.post("/llm/chat", body), 404, "not_found", "replaces")
    assert gateway.stored() == before


def test_fault_6_11_a_deletion_during_a_stream_wins(any_gateway: Gateway) -> None:
    gateway = any_gateway
    said = gateway.say("first")
    conversation = said["conversation_id"]
    gateway.behave("chunks-20+tick-30")
    body = {"message": "go on", "conversation_id": conversation, "stream": True}
    heard = events(gateway.post("/llm/chat", body, stream=True))
    assert next(heard)[0] == "start"
    assert next(heard)[0] == "delta"
    assert gateway.http.delete(f"{gateway.url}/api/conversations/{conversation}", timeout=5).status_code == 204
    rest = list(heard)
    assert rest[-1][0] == "end"
    assert gateway.settled(rest[-1][1]["prompt_id"])["state"] == "complete"
    reply = gateway.get("/llm/get-conversation-history", params={"conversation_id": conversation})
    assert_error(reply, 404, "not_found", "conversation_id")
    assert_error(gateway.post("/llm/chat", {"message": "?", "conversation_id": conversation}), 404, "not_found")
    alive = "SELECT id FROM conversations WHERE public_id = :id AND deleted_at IS NULL"
    assert gateway.sql(alive, id=conversation) == []
    assert gateway.sql("SELECT 1 FROM messages WHERE prompt_id = :id", id=rest[-1][1]["prompt_id"]) == []


def test_fault_6_11_a_first_message_whose_session_is_deleted_meanwhile_stays_away(any_gateway: Gateway) -> None:
    gateway, conversation = any_gateway, _session()
    _short(gateway, "one", conversation)
    gateway.behave("slow-400")
    with ThreadPoolExecutor(1) as pool:
        gateway.upstream.forget()
        gateway.behave("slow-400")
        asked = pool.submit(_short, gateway, "two", conversation)
        gateway.upstream.wait_for(lambda log: [call for call in log if call["method"] == "POST"])
        assert gateway.http.delete(f"{gateway.url}/api/conversations/{conversation}", timeout=5).status_code == 204
        assert asked.result()[0] == "Answer to: two"
    gateway.upstream.forget()
    _short(gateway, "three", conversation)
    assert _exchanges(gateway.history(conversation)) == [("three", "Answer to: three")]
    assert [m["content"] for m in gateway.upstream.log()[-1]["body"]["messages"]] == ["three"]


def test_a_cut_answer_stands_in_the_history_with_its_state(gateway: Gateway, invariants: Invariants) -> None:
    gateway.all_providers("cut-after-2")
    heard = list(events(gateway.post("/llm/chat", {"message": "speak on", "model": GROQ, "stream": True}, stream=True)))
    assert heard[-1][0] == "error"
    conversation = heard[0][1]["conversation_id"]
    _, answer = gateway.history(conversation)
    assert (answer["content"], answer["state"]) == (text_of(heard), "upstream_failed")
    gateway.all_providers("healthy")
    gateway.say("go on", model="gemini", conversation_id=conversation)
    sent = gateway.upstream.log()[-1]["body"]["contents"]
    assert sent[1] == {"role": "model", "parts": [{"text": text_of(heard)}]}


def test_without_content_neither_message_is_kept(gateway: Gateway, invariants: Invariants) -> None:
    before = gateway.stored()
    gateway.all_providers("status-500")
    reply = gateway.post("/llm/chat", {"message": "anyone?"})
    assert_error(reply, 502, "upstream_failed")
    row = gateway.settled(reply.headers["x-request-id"])
    assert (row["state"], row["charge"], row["completion_tokens"]) == ("upstream_failed", 0, 0)
    after = gateway.stored()
    assert (after["messages"], after["conversations"]) == (before["messages"], before["conversations"])
