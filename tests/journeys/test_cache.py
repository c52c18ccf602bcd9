"""The cache as its users meet it: at each door, over restarts, by two workers, after a deletion."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.journeys.gateway import GEMINI, GROQ, Gateway, chunks, events, soon, text_of
from tests.journeys.real_stores import own_postgres, own_redis
from tests.providers.fixtures import EmulatedProviders


@pytest.fixture(scope="module")
def embedded_cached(tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("cached"), upstream_process, {"CACHE": "app"}) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def real_cached(tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders) -> Iterator[Gateway]:
    with own_redis() as redis_url, own_postgres() as database_url:
        env = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "WEB_CONCURRENCY": "2", "CACHE": "app"}
        with Gateway(tmp_path_factory.mktemp("cached-real"), upstream_process, env) as gateway:
            yield gateway


@pytest.fixture(params=["embedded", "real"])
def cached(request: pytest.FixtureRequest, upstream: EmulatedProviders) -> Iterator[Gateway]:
    """The service with its cache on, on both kinds of stores."""
    found: Gateway = request.getfixturevalue(f"{request.param}_cached")
    yield found
    found.recover()


def fresh(words: str = "what is new") -> str:
    """A question nobody has asked."""
    return f"{words} {uuid.uuid4().hex}"


def calls(gateway: Gateway) -> int:
    """Requests that reached a provider."""
    return sum(entry["method"] == "POST" for entry in gateway.upstream.log())


def app_chat(gateway: Gateway, message: str, **more: Any) -> requests.Response:
    headers = more.pop("headers", {})
    return gateway.post("/llm/chat", {"message": message, "model": GROQ, **more}, headers=headers)


def test_the_same_question_again_is_answered_without_a_provider(cached: Gateway) -> None:
    question = fresh()
    first, again = app_chat(cached, question), app_chat(cached, question)
    assert (first.headers["x-cache"], again.headers["x-cache"]) == ("miss", "hit")
    one, two = first.json()["data"], again.json()["data"]
    assert calls(cached) == 1
    assert (two["text"], two["model"], two["provider"], two["usage"]) == (
        one["text"], one["model"], one["provider"], one["usage"],
    )  # fmt: skip
    assert (one["cached"], two["cached"]) == (False, True)
    assert one["cost"] > 0
    assert two["cost"] == 0
    assert again.headers["x-cost-usd"] == "0.000000000"
    assert two["prompt_id"] == again.headers["x-request-id"] != one["prompt_id"]
    assert two["conversation_id"] != one["conversation_id"]
    row = cached.settled(two["prompt_id"])
    assert (bool(row["cached"]), row["charge"], row["state"], row["model"]) == (True, 0, "complete", one["model"])
    receipt = cached.receipt(two["prompt_id"])
    assert (receipt["cached"], receipt["cost"], receipt["attempts"]) == (True, 0, [])


def test_what_was_kept_is_said_as_a_stream_where_one_is_asked_for(cached: Gateway) -> None:
    cached.behave("chunks-40-of-30")
    question = fresh()
    whole = app_chat(cached, question).json()["data"]
    reply = cached.http.post(
        f"{cached.url}/llm/chat", json={"message": question, "model": GROQ, "stream": True}, stream=True, timeout=20
    )
    assert reply.headers["x-cache"] == "hit"
    told = list(events(reply))
    names = [name for name, _ in told]
    assert (names[0], names[-1]) == ("start", "end")
    assert names.count("delta") > 5
    assert text_of(told) == whole["text"]
    assert told[0][1]["model"] == told[-1][1]["model"] == whole["model"]
    assert told[-1][1]["cached"] is True
    assert calls(cached) == 1


def test_what_was_streamed_is_kept_too(cached: Gateway) -> None:
    question = fresh()
    reply = cached.http.post(
        f"{cached.url}/llm/chat", json={"message": question, "model": GROQ, "stream": True}, stream=True, timeout=20
    )
    told = text_of(list(events(reply)))
    again = app_chat(cached, question).json()["data"]
    assert (again["cached"], again["text"], calls(cached)) == (True, told, 1)


def test_a_hit_goes_into_the_conversation_it_was_asked_in(cached: Gateway) -> None:
    question = fresh()
    app_chat(cached, question)
    hit = app_chat(cached, question).json()["data"]
    messages = cached.history(hit["conversation_id"])
    assert [m["content"] for m in messages] == [question, hit["text"]]
    assert messages[1]["cached"] is True
    follow = app_chat(cached, fresh("and then"), conversation_id=hit["conversation_id"]).json()["data"]
    assert follow["cached"] is False
    sent = [entry for entry in cached.upstream.log() if entry["method"] == "POST"][-1]["body"]["messages"]
    assert [m["content"] for m in sent][:2] == [question, hit["text"]]


def test_ignore_cache_and_no_cache_go_past_it_at_each_door(cached: Gateway) -> None:
    question = fresh()
    app_chat(cached, question)
    past = app_chat(cached, question, ignore_cache=True)
    assert past.json()["data"]["cached"] is False
    assert "x-cache" not in past.headers
    assert app_chat(cached, question, headers={"Cache-Control": "no-cache"}).json()["data"]["cached"] is False
    assert cached.post(f"/chat?model={GROQ}&ignore_cache=true", {"prompt": question}).json()["cached"] is False
    assert calls(cached) == 4
    assert cached.post(f"/chat?model={GROQ}", {"prompt": question}).json()["cached"] is True


def test_openais_door_answers_anew_unless_it_is_asked_for_the_cache(cached: Gateway) -> None:
    question = fresh()
    body = {"model": GROQ, "messages": [{"role": "user", "content": question}]}
    for _ in range(2):
        reply = cached.post("/v1/chat/completions", body)
        assert "x-cache" not in reply.headers
    assert calls(cached) == 2
    use = {"x-cache": "use"}
    first, second = (cached.post("/v1/chat/completions", body, headers=use) for _ in range(2))
    assert (first.headers["x-cache"], second.headers["x-cache"]) == ("miss", "hit")
    assert first.json()["choices"] == second.json()["choices"]
    assert first.json()["id"] != second.json()["id"]
    assert calls(cached) == 3
    streamed = cached.post("/v1/chat/completions", body | {"stream": True}, headers=use, stream=True)
    assert streamed.headers["x-cache"] == "hit"
    told = list(chunks(streamed))
    assert told[-1] == "[DONE]"
    said = "".join(c["choices"][0]["delta"].get("content") or "" for c in told[:-1] if c["choices"])
    assert said == first.json()["choices"][0]["message"]["content"]
    assert told[-2]["choices"][0]["finish_reason"] == "stop"
    odd = cached.post("/v1/chat/completions", body, headers={"x-cache": "perhaps"})
    assert (odd.status_code, odd.json()["error"]["param"]) == (400, "x-cache")


@pytest.mark.parametrize(
    "behaviour", ["empty-answer", "two-tools", "filtered", "status-400", "once.cut-after-1", "only-reasoning"]
)
def test_fault_9_03_no_answer_that_is_less_than_whole_is_kept(cached: Gateway, behaviour: str) -> None:
    cached.behave(behaviour)
    question = fresh()
    body = {"model": GROQ, "messages": [{"role": "user", "content": question}], "stream": True}
    if behaviour == "two-tools":
        tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
        body["tools"] = [tool]
    for _ in range(2):
        reply = cached.post("/v1/chat/completions", body, headers={"x-cache": "use"}, stream=True)
        reply.content  # noqa: B018 - read to its end
        assert reply.headers.get("x-cache", "miss") == "miss"
        if behaviour == "once.cut-after-1":
            break
    assert kept(cached, question) == 0


def kept(gateway: Gateway, question: str) -> int:
    return len(gateway.sql("SELECT digest FROM cache WHERE question = :question", question=question))


def test_fault_9_03_what_max_tokens_cut_is_not_kept(cached: Gateway) -> None:
    question = fresh()
    body = {"message": question, "model": "demo", "max_tokens": 5}
    first, second = (cached.post("/llm/chat", body).json()["data"] for _ in range(2))
    assert first["text"]
    assert (second["cached"], kept(cached, question)) == (False, 0)


def test_a_stand_ins_answer_is_not_given_for_the_model_that_was_asked_for(cached: Gateway) -> None:
    cached.behave("status-500")
    question = fresh()
    assert app_chat(cached, question).json()["data"]["fallback"] is True
    cached.recover()
    cached.upstream.behave("healthy", model=GROQ)
    again = app_chat(cached, question).json()["data"]
    assert (again["cached"], again["model"]) == (False, GROQ)


def test_fault_9_06_nobody_is_answered_from_anothers_cache(cached: Gateway) -> None:
    question = fresh()
    app_chat(cached, question)
    other = cached.user()
    theirs = app_chat(cached, question, headers=other)
    assert theirs.headers["x-cache"] == "miss"
    assert theirs.json()["data"]["cached"] is False
    assert app_chat(cached, question, headers=other).json()["data"]["cached"] is True


def test_fault_9_06_a_deleted_conversations_answers_are_not_given_again(cached: Gateway) -> None:
    question = fresh()
    first = app_chat(cached, question).json()["data"]
    soon(lambda: kept(cached, question) == 1, complaint="the answer was not kept")
    assert cached.http.delete(f"{cached.url}/api/conversations/{first['conversation_id']}", timeout=20).ok
    assert kept(cached, question) == 0
    assert app_chat(cached, question).json()["data"]["cached"] is False


def test_an_answer_past_its_exchange_is_asked_anew_by_replaces_and_is_then_the_one_that_is_kept(
    cached: Gateway,
) -> None:
    question = fresh()
    first = app_chat(cached, question).json()["data"]
    cached.behave("chunks-3")
    anew = app_chat(cached, question, conversation_id=first["conversation_id"], replaces=first["prompt_id"]).json()[
        "data"
    ]
    assert anew["cached"] is False
    assert anew["text"] != first["text"]
    soon(lambda: app_chat(cached, question).json()["data"]["text"] == anew["text"])


def test_stats_and_metrics_tell_of_hits_and_of_what_is_kept(cached: Gateway) -> None:
    someone = cached.user()
    question = fresh()
    for _ in range(3):
        app_chat(cached, question, headers=someone)
    told = requests.get(f"{cached.url}/metrics", timeout=10).text
    assert 'cache_looks_total{result="hit"}' in told
    assert 'cache_looks_total{result="miss"}' in told
    stats = soon(lambda: _stats(cached, someone, 1))
    assert (stats["total_prompts"], stats["cache_hits"], stats["cache_size"]) == (3, 2, 1)


def _stats(gateway: Gateway, headers: dict[str, str], size: int) -> dict[str, Any] | None:
    stats: dict[str, Any] = gateway.get("/stats", headers=headers).json()
    return stats if stats["cache_size"] == size else None


def test_what_changes_an_answer_changes_the_key_and_what_does_not_does_not(cached: Gateway) -> None:
    question = fresh()
    app_chat(cached, question, temperature=0.5)
    assert app_chat(cached, question, temperature=0.5).json()["data"]["cached"] is True
    for other in (
        {},
        {"temperature": 0.6},
        {"temperature": 0.5, "system": "Be brief"},
        {"temperature": 0.5, "max_tokens": 500},
    ):
        assert app_chat(cached, question, **other).json()["data"]["cached"] is False, other
    assert app_chat(cached, question, temperature=0.5, model=GEMINI).json()["data"]["cached"] is False


def test_a_restart_keeps_what_was_kept(tmp_path: Any, upstream: EmulatedProviders) -> None:
    question = fresh()
    with Gateway(tmp_path, upstream, {"CACHE": "app"}) as gateway:
        first = app_chat(gateway, question).json()["data"]
        soon(lambda: kept(gateway, question) == 1)
    with Gateway(tmp_path, upstream, {"CACHE": "app"}) as gateway:
        again = app_chat(gateway, question).json()["data"]
        assert (again["cached"], again["text"]) == (True, first["text"])
        assert calls(gateway) == 1


def test_a_redis_that_was_emptied_is_filled_from_sql(real_cached: Gateway, upstream: EmulatedProviders) -> None:
    question = fresh()
    app_chat(real_cached, question)
    soon(lambda: kept(real_cached, question) == 1)
    client = real_cached.redis()
    assert client is not None
    client.delete(*client.keys("v1:cache*"))
    assert app_chat(real_cached, question).json()["data"]["cached"] is True
    assert calls(real_cached) == 1


def test_fault_9_03_what_is_damaged_in_redis_is_given_to_nobody(
    real_cached: Gateway, upstream: EmulatedProviders
) -> None:
    question = fresh()
    first = app_chat(real_cached, question).json()["data"]
    soon(lambda: kept(real_cached, question) == 1)
    client = real_cached.redis()
    assert client is not None
    for name in client.keys("v1:cache:*"):
        client.setrange(name, 40, "~~~~")
    again = app_chat(real_cached, question).json()["data"]
    assert again["text"] == first["text"], "SQL's copy, or a new answer"
    assert app_chat(real_cached, question).json()["data"]["cached"] is True


def test_guests_are_served_within_one_conversation_alone(tmp_path: Any, upstream: EmulatedProviders) -> None:
    with Gateway(tmp_path, upstream, {"CACHE": "app", "ANONYMOUS_ACCESS": "true"}) as gateway:
        question = fresh()

        def ask(**more: Any) -> dict[str, Any]:
            reply = requests.post(
                f"{gateway.url}/llm/chat", json={"message": question, "model": GROQ, **more}, timeout=20
            )
            assert reply.status_code == 200, reply.text
            assert "x-cache" not in reply.headers
            data: dict[str, Any] = reply.json()["data"]
            return data

        assert ask()["cached"] is False
        assert ask()["cached"] is False
        assert calls(gateway) == 2
        assert gateway.sql("SELECT count(*) AS n FROM cache")[0]["n"] == 0


def test_off_serves_those_alone_who_ask_for_it(gateway: Gateway) -> None:
    question = fresh()
    for _ in range(2):
        reply = app_chat(gateway, question)
        assert "x-cache" not in reply.headers
    use = {"x-cache": "use"}
    assert [app_chat(gateway, question, headers=use).headers["x-cache"] for _ in range(2)] == ["miss", "hit"]


def ask_near(gateway: Gateway, message: str, **more: Any) -> bool:
    """Whether it was answered by a near-equal one."""
    reply = app_chat(gateway, message, cache="semantic", **more)
    assert reply.status_code == 200, reply.text
    return bool(reply.json()["data"]["cached"])


def test_a_near_equal_question_is_answered_where_that_is_asked_for(cached: Gateway) -> None:
    someone = cached.user()
    first = app_chat(cached, "What is the highest mountain of Peru?", headers=someone).json()["data"]
    assert app_chat(cached, "What's the highest mountain of Peru", headers=someone).json()["data"]["cached"] is False
    again = app_chat(cached, "what is the highest mountain of Peru, please", cache="semantic", headers=someone)
    assert again.headers["x-cache"] == "hit"
    assert again.json()["data"]["text"] == first["text"]
    assert again.json()["data"]["cost"] == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("should I do the dishes before the guests come", "should I not do the dishes before the guests come"),
        ("how much is 17\u00b723 if all of it is counted", "how much is 17\u00b724 if all of it is counted"),
        ("a poem for my friend anna and her love of hiking", "a poem for my friend emma and her love of hiking"),
        ("was heißt der Fluss in Rom", "what is the river in Rom"),
        ("does the dog bite the man in this old story", "does the man bite the dog in this old story"),
    ],
)  # fmt: skip
def test_fault_9_04_what_is_not_the_same_is_asked_anew(cached: Gateway, one: str, other: str) -> None:
    someone = cached.user()
    assert not ask_near(cached, one, headers=someone)
    assert not ask_near(cached, other, headers=someone)


def test_fault_9_04_near_equals_of_another_user_system_or_parameter_are_none(cached: Gateway) -> None:
    someone = cached.user()
    assert not ask_near(cached, "How do I reset my password?", headers=someone, system="Be brief")
    assert not ask_near(cached, "How can I reset my password?", headers=cached.user(), system="Be brief")
    assert not ask_near(cached, "How can I reset my password?", headers=someone, system="Be long")
    assert not ask_near(cached, "How can I reset my password?", headers=someone, system="Be brief", temperature=1)
    assert ask_near(cached, "How can I reset my password?", headers=someone, system="Be brief")


def test_every_question_may_be_near_equal_where_the_setting_says_so(tmp_path: Any, upstream: EmulatedProviders) -> None:
    with Gateway(tmp_path, upstream, {"CACHE": "app", "CACHE_SEMANTIC": "true"}) as gateway:
        first = "How do I reset my password?"
        assert app_chat(gateway, first).json()["data"]["cached"] is False
        soon(lambda: kept(gateway, first))
        assert app_chat(gateway, "How can I reset my password?").json()["data"]["cached"] is True
        assert calls(gateway) == 1


def test_what_cache_takes_is_named_where_it_is_something_else(cached: Gateway) -> None:
    reply = cached.post("/llm/chat", {"message": "hi", "cache": "sometimes"})
    assert (reply.status_code, reply.json()["error"]["details"]["field"]) == (400, "cache")
