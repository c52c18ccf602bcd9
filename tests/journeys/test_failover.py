"""Providers that fail before a word was sent: room four of the fault list, seen from both sides."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.journeys.failing import (
    SECOND_KEY,
    SILENCE,
    STREAMS,
    WAYS,
    Outcome,
    access_line,
    ask,
    calls,
    failing_gateway,
    gaps,
    spare,
    told,
    wait_for_spares,
)
from tests.journeys.gateway import GEMINI, GROQ, KEYS, Gateway, soon
from tests.journeys.raw_client import RawClient
from tests.providers.fixtures import EmulatedProviders

every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0]}-{'stream' if way[1] else 'json'}")
streamed = pytest.mark.parametrize("way", STREAMS, ids=lambda way: way[0])


@pytest.fixture(scope="module")
def _failing(tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders) -> Iterator[Gateway]:
    with failing_gateway(tmp_path_factory.mktemp("failing"), upstream_process) as gateway:
        wait_for_spares(gateway)
        yield gateway


@pytest.fixture
def failing(_failing: Gateway, upstream: EmulatedProviders) -> Gateway:
    return _failing


@pytest.fixture
def keyed(_failing: Gateway, upstream: EmulatedProviders) -> Iterator[Gateway]:
    """For faults of keys, which are known over all models: forgotten afterwards."""
    yield _failing
    _failing._troubled = True
    _failing.recover()
    wait_for_spares(_failing)


def answered(heard: Outcome, by: str) -> None:
    assert (heard.status, heard.whole, heard.error) == (200, True, None)
    assert heard.model == by.partition("/")[2]
    assert heard.text == "Answer to: hello there"


def fails_over(gateway: Gateway, way: tuple[str, bool], does: str, error: str, *, tries: int = 1) -> None:
    """The next candidate answers whole; receipt, head and upstream agree on how it came to that."""
    first, second = spare(gateway, "groq", does), spare(gateway, "openai")
    heard = ask(gateway, way, "hello there", first, second)
    answered(heard, second)
    assert heard.headers["x-attempts"] == str(tries + 1)
    again = [(first, error, "retry")] * (tries - 1)
    attempts = told(gateway, heard)
    assert [(model, kind, "retry" if after == "next_key" else after) for model, kind, after in attempts] == [
        *again,
        (first, error, "next_model"),
        (second, None, None),
    ]
    assert len(calls(gateway, first)) == tries
    assert len(calls(gateway, second)) == 1
    if way == ("app", True):
        notices = [data for name, data in zip(heard.events, heard.data, strict=True) if name == "notice"]
        assert [notice["kind"] for notice in notices] == ["failover"]
        assert heard.data[0]["model"] == second.partition("/")[2]


def ends_in(gateway: Gateway, way: tuple[str, bool], does: str, status: int, code: str, *, tries: int = 1) -> Outcome:
    """Alone it fails with this status, before a word was sent."""
    alone = spare(gateway, "groq", does)
    heard = ask(gateway, way, "hello there", alone)
    assert (heard.status, heard.code) == (status, code)
    assert len(calls(gateway, alone)) == tries
    assert heard.headers["x-attempts"] == str(tries)
    return heard


# --- 4.8, 4.9 the request, the model, the key ------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize(
    ("does", "status", "code"),
    [
        ("status-400", 400, "invalid_request"),
        ("status-422", 400, "invalid_request"),
        ("status-413", 413, "too_large"),
        ("filtered", 400, "content_filtered"),
    ],
)
def test_fault_4_08_the_callers_own_fault_is_passed_on_at_once(
    failing: Gateway, way: tuple[str, bool], does: str, status: int, code: str
) -> None:
    first, second = spare(failing, "groq", does), spare(failing, "openai")
    heard = ask(failing, way, "hello there", first, second)
    assert (heard.status, heard.code) == (status, code)
    assert calls(failing, second) == []
    assert told(failing, heard) == [(first, code, "stop")]
    assert failing.receipt(heard.prompt_id)["state"] == "refused"


@every_way
def test_fault_4_08_the_callers_faults_never_feed_the_breaker(failing: Gateway, way: tuple[str, bool]) -> None:
    model = spare(failing, "groq", "status-400")
    for _ in range(6):
        assert ask(failing, way, "hello there", model).status == 400
    failing.upstream.behave("healthy", model=model.partition("/")[2])
    answered(ask(failing, way, "hello there", model), model)


@every_way
def test_fault_4_08_a_prompt_too_long_goes_to_a_larger_window_or_is_a_400(
    failing: Gateway, way: tuple[str, bool]
) -> None:
    fails_over(failing, way, "too-long", "context_length_exceeded")
    ends_in(failing, way, "too-long", 400, "context_length_exceeded")


@every_way
def test_fault_4_08_a_model_that_is_gone_is_taken_out(failing: Gateway, way: tuple[str, bool]) -> None:
    first, second = spare(failing, "groq", "gone"), spare(failing, "openai")
    answered(ask(failing, way, "hello there", first, second), second)
    soon(lambda: ask(failing, way, "hello", first).status == 404, 3, "it is still there")


def test_fault_4_08_a_row_whose_model_is_gone_says_so(keyed: Gateway) -> None:
    row = "llama-3.3-70b-versatile"
    keyed.upstream.behave("gone", model=row)
    second = spare(keyed, "openai")
    answered(ask(keyed, ("app", False), "hello there", row, second), second)
    found = "SELECT unavailable FROM llm_models WHERE name = :name"
    soon(lambda: keyed.sql(found, name=row)[0]["unavailable"] == "withdrawn by its provider")
    shown = {model["name"]: model for model in keyed.get("/models").json()["models"]}
    assert (shown[row]["available"], shown[row]["reason"]) == (False, "withdrawn by its provider")
    before = len(calls(keyed, f"groq/{row}"))
    answered(ask(keyed, ("app", False), "hello there", row, second), second)
    assert len(calls(keyed, f"groq/{row}")) == before


@every_way
@pytest.mark.parametrize("does", ["status-401", "status-402", "status-403", "quota"])
def test_fault_4_09_a_rejected_key_is_out_and_the_next_one_serves(
    keyed: Gateway, way: tuple[str, bool], does: str
) -> None:
    model = spare(keyed, "groq")
    keyed.upstream.behave(does, key=KEYS["groq"])
    keyed.upstream.behave(does, key=SECOND_KEY)
    heard = ask(keyed, way, "hello there", model)
    assert (heard.status, heard.code) == (502, "upstream_failed")
    assert told(keyed, heard) == [(model, "key_rejected", "next_key"), (model, "key_rejected", "stop")]
    again = ask(keyed, way, "hello there", model)
    assert (again.status, again.code) == (502, "upstream_failed")
    second = spare(keyed, "openai")
    answered(ask(keyed, way, "hello there", model, second), second)
    assert len(calls(keyed, model)) == 2


# --- 4.10, 4.11 try again, later -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 409, 425, 500, 502, 503, 504, 520, 527, 529])
@every_way
def test_fault_4_10_a_servers_error_is_asked_once_more_then_the_next(
    failing: Gateway, way: tuple[str, bool], status: int
) -> None:
    fails_over(failing, way, f"status-{status}", "server_error", tries=2)
    first, second, third = calls(failing)
    assert 0.05 <= second["at"] - first["at"] < 0.6
    assert third["at"] - second["at"] < 0.3


@every_way
def test_fault_4_10_alone_it_is_a_502_after_two_tries(failing: Gateway, way: tuple[str, bool]) -> None:
    ends_in(failing, way, "status-500", 502, "upstream_failed", tries=2)
    assert all(gap >= 0.05 for gap in gaps(calls(failing)))


@every_way
@pytest.mark.parametrize("does", ["reset", "close"])
def test_fault_4_10_4_03_a_reset_is_tried_again_and_a_kept_connection_that_was_stale_costs_no_try(
    failing: Gateway, way: tuple[str, bool], does: str
) -> None:
    model, second = spare(failing, "groq", does), spare(failing, "openai")
    heard = ask(failing, way, "hello there", model, second)
    answered(heard, second)
    assert [error for _, error, _ in told(failing, heard)] == ["reset", "reset", None]
    assert 2 <= len(calls(failing, model)) <= 4


@every_way
def test_fault_4_10_a_second_try_that_goes_well_is_the_answer(failing: Gateway, way: tuple[str, bool]) -> None:
    model = spare(failing, "groq", "once.status-503")
    heard = ask(failing, way, "hello there", model)
    answered(heard, model)
    assert len(calls(failing, model)) == 2
    assert failing.receipt(heard.prompt_id)["fallback"] is False


@every_way
def test_fault_4_11_a_limited_key_gives_way_to_the_next_at_once(keyed: Gateway, way: tuple[str, bool]) -> None:
    model = spare(keyed, "groq", "once.status-429")
    began = time.monotonic()
    heard = ask(keyed, way, "hello there", model)
    assert time.monotonic() - began < 0.9
    answered(heard, model)
    assert told(keyed, heard) == [(model, "rate_limited", "next_key"), (model, None, None)]
    used = [call["headers"]["authorization"] for call in calls(keyed, model)]
    assert len(set(used)) == 2


@every_way
@pytest.mark.parametrize("wait", ["retry-after-0", "retry-after-1", "retry-ms-500", "retry-delay-900ms"])
def test_fault_4_11_a_short_wait_is_waited_for_the_model_that_was_wished_for(
    keyed: Gateway, way: tuple[str, bool], wait: str
) -> None:
    """Anthropic has one key here."""
    first, second = spare(keyed, "anthropic", f"once.{wait}"), spare(keyed, "openai")
    heard = ask(keyed, way, "hello there", first, second)
    answered(heard, first)
    assert told(keyed, heard) == [(first, "rate_limited", "retry"), (first, None, None)]
    assert all(gap >= 1.0 for gap in gaps(calls(keyed, first)))


@every_way
@pytest.mark.parametrize("wait", ["retry-after-4", "retry-after-1000000000", "retry-delay-6m0s", "retry-delay-34s"])
def test_fault_4_11_a_long_wait_is_the_next_candidates_turn(keyed: Gateway, way: tuple[str, bool], wait: str) -> None:
    first, second = spare(keyed, "anthropic", wait), spare(keyed, "openai")
    began = time.monotonic()
    heard = ask(keyed, way, "hello there", first, second)
    answered(heard, second)
    assert time.monotonic() - began < 0.9
    assert told(keyed, heard) == [(first, "rate_limited", "next_model"), (second, None, None)]
    alone = ask(keyed, way, "hello there", first)
    assert (alone.status, alone.code) == (503, "no_capacity")
    assert 3 <= int(alone.headers["retry-after"]) <= 3600
    assert len(calls(keyed, first)) == 1


def test_fault_4_11_without_a_word_of_when_the_backoff_keeps_a_second_between_tries(keyed: Gateway) -> None:
    first, second = spare(keyed, "anthropic", "status-429"), spare(keyed, "openai")
    answered(ask(keyed, ("app", False), "hello there", first, second), second)
    seen = calls(keyed, first)
    assert len(seen) <= 4
    assert all(gap >= 1.0 for gap in gaps(seen))


def test_a_client_that_leaves_while_we_wait_for_a_key_is_noticed(keyed: Gateway) -> None:
    model = spare(keyed, "anthropic", "retry-after-2")
    known = {row["prompt_id"] for row in keyed.sql("SELECT prompt_id FROM requests")}
    body = {"message": "hello", "model": model, "fallbacks": [model], "stream": True}
    with RawClient(keyed, "/llm/chat", body) as client:
        soon(lambda: calls(keyed, model))
        began = time.monotonic()
        client.reset()

    def ended() -> list[str]:
        rows = keyed.sql("SELECT prompt_id, state FROM requests")
        return [row["state"] for row in rows if row["prompt_id"] not in known]

    assert soon(ended) == ["client_gone"]
    assert time.monotonic() - began < 1.5
    assert len(calls(keyed, model)) == 1


# --- 4.12 to 4.19 replies that are none ------------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize("does", ["html-200", "empty", "empty-object", "null", "no-choices", "cut-json"])
def test_fault_4_12_a_200_without_an_answer_is_a_failure(failing: Gateway, way: tuple[str, bool], does: str) -> None:
    fails_over(failing, way, does, "bad_reply")
    ends_in(failing, way, does, 502, "upstream_failed")


@every_way
def test_fault_4_12_an_error_in_a_200_is_one(failing: Gateway, way: tuple[str, bool]) -> None:
    fails_over(failing, way, "error-200", "server_error", tries=2)
    ends_in(failing, way, "error-200", 502, "upstream_failed", tries=2)


@every_way
@pytest.mark.parametrize("does", ["json-for-sse", "sse-for-json", "wrong-type", "gzip"])
def test_fault_4_12_a_body_is_read_as_what_it_is(failing: Gateway, way: tuple[str, bool], does: str) -> None:
    model = spare(failing, "groq", does)
    answered(ask(failing, way, "hello there", model), model)
    assert len(calls(failing, model)) == 1


@every_way
@pytest.mark.parametrize("does", ["bomb-64", "redirect-307", "redirect-301"])
def test_fault_4_13_4_07_bombs_and_redirects_go_to_the_next(failing: Gateway, way: tuple[str, bool], does: str) -> None:
    fails_over(failing, way, does, "bad_reply")


@streamed
def test_fault_4_16_a_line_of_10_mb_goes_to_the_next(failing: Gateway, way: tuple[str, bool]) -> None:
    fails_over(failing, way, "big-line-10000000", "bad_reply")


@streamed
def test_fault_4_17_an_error_event_before_content_goes_to_the_next(failing: Gateway, way: tuple[str, bool]) -> None:
    fails_over(failing, way, "error-event-0", "server_error", tries=2)


@streamed
@pytest.mark.parametrize("does", ["no-done", "finish-odd", "finish-twice", "text-after-finish", "after-done", "odd"])
def test_fault_4_18_4_19_an_answer_with_its_finish_is_whole(failing: Gateway, way: tuple[str, bool], does: str) -> None:
    model = spare(failing, "groq", does)
    heard = ask(failing, way, "hello there", model)
    answered(heard, model)
    skipped = failing.receipt(heard.prompt_id)["skipped_chunks"]
    assert (skipped >= 3) == (does == "odd")


@every_way
def test_fault_4_19_an_empty_answer_is_a_failure(failing: Gateway, way: tuple[str, bool]) -> None:
    fails_over(failing, way, "empty-answer", "bad_reply")
    ends_in(failing, way, "empty-answer", 502, "upstream_failed")


@pytest.mark.parametrize("way", [("app", False), ("openai", False)], ids=lambda way: way[0])
def test_fault_4_18_a_whole_reply_without_a_finish_is_broken(failing: Gateway, way: tuple[str, bool]) -> None:
    fails_over(failing, way, "no-finish", "cut")


@every_way
@pytest.mark.parametrize("does", ["usage-null", "usage-text", "usage-negative", "usage-float", "usage-huge"])
def test_fault_4_21_usage_that_cannot_be_true_is_counted_here(
    failing: Gateway, way: tuple[str, bool], does: str
) -> None:
    model = spare(failing, "groq", does)
    heard = ask(failing, way, "hello there", model)
    answered(heard, model)
    receipt = failing.receipt(heard.prompt_id)
    assert receipt["usage_source"] == "counted"
    assert 0 < receipt["usage"]["completion_tokens"] < 100


@streamed
def test_usage_is_always_asked_for_and_shown_to_who_asks(failing: Gateway, way: tuple[str, bool]) -> None:
    model = spare(failing, "groq")
    heard = ask(failing, way, "hello there", model)
    assert calls(failing, model)[0]["body"]["stream_options"] == {"include_usage": True}
    if way[0] == "openai":
        assert not any("usage" in chunk for chunk in heard.data if isinstance(chunk, dict))
        shown = ask(failing, way, "hello there", model, stream_options={"include_usage": True})
        assert [chunk["usage"] for chunk in shown.data[:-1] if chunk["usage"]]
    assert failing.receipt(heard.prompt_id)["usage_source"] == "provider"


# --- 4.22 silence ----------------------------------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize("does", ["silent", "silent-head"])
def test_fault_4_22_a_silent_model_is_not_asked_again(failing: Gateway, way: tuple[str, bool], does: str) -> None:
    began = time.monotonic()
    fails_over(failing, way, does, "first_token_timeout")
    assert SILENCE <= time.monotonic() - began < SILENCE + 1
    failing.upstream.wait_for(lambda log: all(call["done"] or call["left"] for call in log), 1.0)
    heard = ends_in(failing, way, does, 504, "upstream_timeout")
    assert failing.receipt(heard.prompt_id)["state"] == "stalled"


@streamed
def test_fault_4_22_comments_are_silence(failing: Gateway, way: tuple[str, bool]) -> None:
    fails_over(failing, way, "comments", "first_token_timeout")


@streamed
@pytest.mark.parametrize(("does", "longest"), [("hang-after-finish", 1.6), ("hang-after-done", 0.7)])
def test_fault_4_22_after_the_finish_the_answer_is_whole_soon(
    failing: Gateway, way: tuple[str, bool], does: str, longest: float
) -> None:
    model = spare(failing, "groq", does)
    began = time.monotonic()
    answered(ask(failing, way, "hello there", model), model)
    assert time.monotonic() - began < longest


@pytest.mark.parametrize("path", ["/llm/chat", "/v1/chat/completions"])
def test_fault_3_07_a_provider_that_sends_not_even_a_head_is_waited_for_with_comments(
    hasty: Gateway, path: str
) -> None:
    hasty.behave("silent")
    body = {"model": GROQ, "fallbacks": [GROQ], "stream": True}
    body |= {"message": "hi"} if path == "/llm/chat" else {"messages": [{"role": "user", "content": "hi"}]}
    with RawClient(hasty, path, body) as client:
        heard = client.read_until(b"upstream_timeout")
    assert client.status == 200
    assert 3 <= heard.count(b": still here") <= 8
    hasty.upstream.wait_for(lambda log: all(call["left"] for call in log if call["method"] == "POST"), 1.0)
    with RawClient(hasty, path, body) as client:
        client.read_until(b": still here")
    hasty.upstream.wait_for(lambda log: all(call["left"] for call in log if call["method"] == "POST"), 1.5)


def test_fault_3_07_the_heart_beats_through_all_candidates(hasty: Gateway) -> None:
    """No candidate is silent for as long as a heartbeat; together they are."""
    hasty.behave("slow-200+status-500", GROQ)
    hasty.behave("slow-200+html-200", GEMINI)
    body = {"model": GROQ, "fallbacks": [GEMINI], "stream": True, "message": "hi"}
    with RawClient(hasty, "/llm/chat", body) as client:
        heard = client.read_until(b"event: error")
    assert heard.count(b": still here") >= 1


# --- 4.24, the facts, the budget -------------------------------------------------------------------------------------


@every_way
@pytest.mark.parametrize("does", ["quotes-key", "quotes-key-200"])
def test_fault_4_24_a_key_that_a_provider_quotes_is_shown_to_nobody(
    keyed: Gateway, way: tuple[str, bool], does: str
) -> None:
    model = spare(keyed, "anthropic", does)
    heard = ask(keyed, way, "hello there", model)
    assert heard.status == 502
    assert KEYS["anthropic"] not in str((heard.error, heard.headers, keyed.receipt(heard.prompt_id)))
    assert KEYS["anthropic"] not in keyed.logs()


@every_way
def test_the_access_log_tells_what_the_receipt_tells(failing: Gateway, way: tuple[str, bool]) -> None:
    first, second = spare(failing, "groq", "html-200"), spare(failing, "openai")
    heard = ask(failing, way, "hello there", first, second)
    receipt = failing.receipt(heard.prompt_id)
    chat = access_line(failing, heard.prompt_id)["chat"]
    assert (chat["state"], chat["model"], chat["provider"]) == ("complete", receipt["model"], receipt["provider"])
    for line, row in zip(chat["attempts"], receipt["attempts"], strict=True):
        assert line == {name: row[name] for name in line}


@every_way
def test_a_chat_spends_no_more_tries_than_its_budget(failing: Gateway, way: tuple[str, bool]) -> None:
    models = [spare(failing, "groq", "html-200") for _ in range(8)]
    heard = ask(failing, way, "hello there", *models)
    assert (heard.status, heard.code) == (502, "upstream_failed")
    assert len(calls(failing)) == 6
    assert [after for _, _, after in told(failing, heard)] == ["next_model"] * 5 + ["stop"]


def test_a_conversation_stays_on_the_model_and_the_key_that_served_it(failing: Gateway) -> None:
    """Moving it throws the provider's prompt cache away."""
    model = spare(failing, "groq")
    first = failing.say("hello", model=model)
    for _ in range(4):
        failing.say("and then?", model=model, conversation_id=first["conversation_id"])
    used = {call["headers"]["authorization"] for call in calls(failing, model)}
    assert len(used) == 1
    for _ in range(4):
        failing.say("hello", model=model)
    assert len({call["headers"]["authorization"] for call in calls(failing, model)}) == 2


# --- the breaker -----------------------------------------------------------------------------------------------------


def test_while_a_model_is_down_its_callers_feel_nothing_and_it_is_back_soon_after(failing: Gateway) -> None:
    first, second = spare(failing, "groq", "silent"), spare(failing, "openai")
    for way in [("app", True)] * 5:
        answered(ask(failing, way, "hello there", first, second), second)
    before = len(calls(failing, first))
    for way in WAYS:
        began = time.monotonic()
        answered(ask(failing, way, "hello there", first, second), second)
        assert time.monotonic() - began < 0.5
    assert len(calls(failing, first)) == before
    failing.upstream.behave("healthy", model=first.partition("/")[2])

    def back() -> bool:
        return ask(failing, ("openai", False), "hello there", first, second).model == first.partition("/")[2]

    soon(back, 30, "it does not serve again")
    for way in WAYS:
        answered(ask(failing, way, "hello there", first, second), first)


def test_fault_4_25_a_primary_that_dies_under_load_is_asked_little(failing: Gateway) -> None:
    """Also: the one probe at a time."""
    first, second = spare(failing, "groq"), spare(failing, "openai")
    chats = 200

    def chat(number: int) -> Outcome:
        if number == 40:
            failing.upstream.behave("status-500", model=first.partition("/")[2])
        return ask(failing, WAYS[number % 4], "hello there", first, second)

    with ThreadPoolExecutor(20) as pool:
        heard = list(pool.map(chat, range(chats)))
    assert all(one.whole and one.text == "Answer to: hello there" for one in heard)
    assert len(calls(failing)) <= 1.2 * chats


def test_fault_4_25_keys_that_all_answer_429_are_asked_once_a_second(keyed: Gateway) -> None:
    """Of what is under way when the limit comes nothing can be called back; after that one try a key a second."""
    first, second = spare(keyed, "groq", "status-429"), spare(keyed, "openai")
    at_once = 16
    with ThreadPoolExecutor(at_once) as pool:
        heard = list(pool.map(lambda n: ask(keyed, WAYS[n % 4], "hello there", first, second), range(64)))
    assert all(one.whole for one in heard)
    for key in (KEYS["groq"], SECOND_KEY):
        seen = [call for call in calls(keyed, first) if call["headers"]["authorization"].endswith(key)]
        limited_at = seen[0]["at"] + 0.5
        later = [call for call in seen if call["at"] > limited_at]
        assert all(gap >= 1.0 for gap in gaps(later)), gaps(later)
