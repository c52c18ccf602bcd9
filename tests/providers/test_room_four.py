"""Room 4 of the fault list as far as a provider's service decides it: odd bodies, odd streams, silences, cuts."""

from __future__ import annotations

import json
import time
from typing import cast

import pytest

from app.factories.llm_service_factory import LLMServiceFactory
from tests.providers.asking import ONE_A_WIRE, SAID, Asker, Member, new_factory, patient
from tests.providers.fixtures import EmulatedProviders

both = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module")
def factory() -> LLMServiceFactory:
    return new_factory()


@pytest.fixture(params=ONE_A_WIRE, ids=str)
def asker(factory: LLMServiceFactory, upstream: EmulatedProviders, request: pytest.FixtureRequest) -> Asker:
    return Asker(factory, upstream, cast(Member, request.param))


@both
@pytest.mark.parametrize("model", ["html-200", "empty", "empty-object", "null", "no-choices"])
def test_fault_4_12_a_200_that_holds_no_answer_is_a_bad_reply(asker: Asker, model: str, stream: bool) -> None:
    heard = asker.ask(model, stream=stream)
    assert (heard.kind, heard.deltas) == ("bad_reply", 0)


@both
def test_fault_4_12_an_error_inside_a_200_is_that_error(asker: Asker, stream: bool) -> None:
    assert asker.ask("error-200", stream=stream).kind == "server_error"


@both
def test_fault_4_12_cut_json_is_no_answer(asker: Asker, stream: bool) -> None:
    assert asker.ask("cut-json", stream=stream).kind == "bad_reply"


@pytest.mark.parametrize(
    ("model", "stream"),
    [("json-for-sse", True), ("sse-for-json", False), ("wrong-type", True), ("wrong-type", False)],
)
def test_fault_4_12_a_body_is_read_as_what_it_is(asker: Asker, model: str, stream: bool) -> None:
    heard = asker.ask(model, stream=stream)
    assert (heard.text, heard.finish, heard.fault) == (SAID, "stop", None)


@both
def test_fault_4_13_gzip_unasked_is_decoded_and_a_cut_one_fails(asker: Asker, stream: bool) -> None:
    assert asker.ask("gzip", stream=stream).text == SAID
    assert asker.ask("gzip-cut", stream=stream).fault is not None


@both
def test_fault_4_13_a_bomb_fails(asker: Asker, stream: bool) -> None:
    assert asker.ask("bomb-64", stream=stream).kind == "bad_reply"


@pytest.mark.parametrize(
    "form",
    ["lf", "crlf", "cr", "mixed", "bom", "no-space", "ids", "multi-data", "no-last-newline"],
)
@pytest.mark.parametrize("cut", ["", "+bytewise", "+bytewise-7"])
def test_fault_4_15_a_stream_in_any_form_says_the_same(asker: Asker, form: str, cut: str) -> None:
    heard = asker.ask(f"{form}+reasoning{cut}")
    assert (heard.text, heard.finish, heard.skipped, heard.fault) == (SAID, "stop", 0, None)
    assert heard.reasoning == "Let me think about it. "


@pytest.mark.parametrize("size", [65_537, 7_000_000])
@both
def test_fault_4_16_a_line_is_taken_to_8_mb(asker: Asker, size: int, stream: bool) -> None:
    heard = asker.ask(f"big-line-{size}", stream=stream)
    assert (len(heard.text), heard.finish) == (size, "stop")


def test_fault_4_16_a_line_of_10_mb_fails(asker: Asker) -> None:
    assert asker.ask("big-line-10000000").kind == "bad_reply"


@pytest.mark.parametrize("after", [0, 2])
def test_fault_4_17_an_error_in_the_stream_is_classed_by_its_body(asker: Asker, after: int) -> None:
    heard = asker.ask(f"error-event-{after}")
    assert (heard.kind, heard.deltas, heard.finish) == ("server_error", after, None)


def test_fault_4_18_a_finish_without_an_end_mark_is_complete_at_once(asker: Asker) -> None:
    heard = asker.ask("no-done")
    assert (heard.text, heard.finish, heard.fault) == (SAID, "stop", None)


@both
def test_fault_4_18_no_finish_is_a_broken_answer(asker: Asker, stream: bool) -> None:
    for model in ("no-finish", "finish-empty"):
        heard = asker.ask(model, stream=stream)
        assert (heard.kind, heard.finish) == ("cut", None)


@both
def test_fault_4_18_an_unknown_finish_means_stop(asker: Asker, stream: bool) -> None:
    assert asker.ask("finish-odd", stream=stream).finish == "stop"


@pytest.mark.parametrize("model", ["finish-twice", "text-after-finish", "after-done"])
def test_fault_4_18_the_first_finish_counts_and_what_follows_is_dropped(asker: Asker, model: str) -> None:
    heard = asker.ask(model)
    assert (heard.text, heard.finish, heard.fault) == (SAID, "stop", None)


@both
def test_fault_4_08_a_filter_that_ends_an_answer_is_told(asker: Asker, stream: bool) -> None:
    assert asker.ask("finish-filter", stream=stream).finish == "content_filter"
    assert asker.ask("empty-answer+finish-filter", stream=stream).kind == "content_filtered"


def test_fault_4_19_a_chunk_that_is_none_is_skipped_and_counted(asker: Asker) -> None:
    heard = asker.ask("odd")
    assert (heard.text, heard.finish, heard.fault) == (SAID, "stop", None)
    assert heard.skipped >= 3


@both
@pytest.mark.parametrize("model", ["empty-answer", "only-reasoning"])
def test_fault_4_19_an_answer_that_says_nothing_is_a_failure(asker: Asker, model: str, stream: bool) -> None:
    heard = asker.ask(model, stream=stream)
    assert (heard.kind, heard.finish) == ("bad_reply", None)


@both
@pytest.mark.parametrize("model", ["usage-null", "usage-text", "usage-negative", "usage-float"])
def test_fault_4_21_usage_that_cannot_be_true_is_not_told(asker: Asker, model: str, stream: bool) -> None:
    heard = asker.ask(model, stream=stream)
    assert (heard.text, heard.usage, heard.fault) == (SAID, None, None)


@pytest.mark.parametrize("model", ["silent", "silent-head", "comments"])
def test_fault_4_22_silence_before_the_first_content_ends_the_attempt(
    asker: Asker, model: str, upstream: EmulatedProviders
) -> None:
    began = time.monotonic()
    heard = asker.ask(model, patience=patient(first=0.3))
    assert heard.kind == "first_token_timeout"
    assert 0.25 < time.monotonic() - began < 1.0
    upstream.wait_for(lambda log: log[0]["left"], seconds=1.0)


def test_fault_4_22_silence_between_two_pieces_is_a_stall(asker: Asker) -> None:
    heard = asker.ask("silent-after-2", patience=patient(stall=0.3))
    assert (heard.kind, heard.deltas) == ("stalled", 2)


def test_fault_4_22_silence_between_the_pieces_of_a_call_is_a_stall(asker: Asker) -> None:
    heard = asker.ask("two-tools+silent-after-1", params={"tools": [WEATHER, WEATHER]}, patience=patient(stall=0.3))
    assert heard.kind == "stalled"


@pytest.mark.parametrize(("model", "longest"), [("hang-after-finish", 1.6), ("hang-after-done", 0.9)])
def test_fault_4_22_after_the_finish_nothing_is_waited_for_long(asker: Asker, model: str, longest: float) -> None:
    if asker.member.integration == "gemini" and model == "hang-after-done":
        longest = 1.6  # that wire has no end mark
    began = time.monotonic()
    heard = asker.ask(model, patience=patient(stall=5))
    assert (heard.text, heard.finish, heard.fault) == (SAID, "stop", None)
    assert time.monotonic() - began < longest


def test_silence_is_told_so_that_a_door_can_keep_its_connection_warm(asker: Asker) -> None:
    heard = asker.ask("silent-after-1", patience=patient(stall=0.5, tick=0.1))
    assert heard.silences >= 3


@pytest.mark.parametrize(
    ("model", "kinds", "deltas"),
    [
        ("reset", {"reset"}, 0),
        ("close", {"reset"}, 0),
        ("cut-after-2", {"cut"}, 2),
        ("reset-after-2", {"cut", "reset"}, 2),
        ("end-after-2", {"cut"}, 2),
    ],
)
def test_fault_4_23_a_break_is_never_taken_for_an_end(asker: Asker, model: str, kinds: set[str], deltas: int) -> None:
    heard = asker.ask(model)
    assert heard.kind in kinds
    assert heard.finish is None
    assert heard.deltas <= deltas


def test_fault_4_20_arguments_cut_before_the_finish_are_a_broken_answer(asker: Asker) -> None:
    if asker.member.integration == "gemini":
        pytest.skip("that wire sends each call whole")
    heard = asker.ask("cut-after-3", params={"tools": [WEATHER]})
    assert heard.kind == "cut"
    with pytest.raises(ValueError):
        json.loads(heard.calls[0].arguments)
