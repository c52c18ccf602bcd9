"""Answers that break off after a part was read: joined to the character, begun anew, or told broken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.journeys.failing import STREAMS, Outcome, ask, calls, failing_gateway, spare, told, wait_for_spares
from tests.journeys.gateway import Gateway
from tests.providers.fixtures import EmulatedProviders

streamed = pytest.mark.parametrize("way", STREAMS, ids=lambda way: way[0])
TEXT = (
    "Grüße aus Zürich 🙂🙃, naïve café —\n\n```python\ndef f(x):\n    return x  # two  spaces\n```\nThe  end of it.\n"
)
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
BREAKS = ["cut-after-{n}", "reset-after-{n}", "end-after-{n}", "error-event-{n}", "silent-after-{n}"]


@pytest.fixture(scope="module")
def _failing(tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders) -> Iterator[Gateway]:
    with failing_gateway(tmp_path_factory.mktemp("rescues"), upstream_process) as gateway:
        wait_for_spares(gateway)
        yield gateway


@pytest.fixture
def failing(_failing: Gateway, upstream: EmulatedProviders) -> Gateway:
    return _failing


def whole(heard: Outcome, by: str, text: str = TEXT) -> None:
    assert heard.text == text
    assert (heard.status, heard.whole, heard.error) == (200, True, None)
    assert heard.model == by.partition("/")[2]


def prefix_of(call: dict[str, object]) -> str | None:
    """What a rescuer was asked to go on from."""
    body = call["body"]
    assert isinstance(body, dict)
    last = body["messages"][-1]
    if last["role"] != "assistant":
        return None
    content = last["content"]
    return content if isinstance(content, str) else content[-1]["text"]


@streamed
@pytest.mark.parametrize("broken", BREAKS)
def test_fault_4_23_whatever_broke_it_another_model_goes_on(
    failing: Gateway, way: tuple[str, bool], broken: str
) -> None:
    first = spare(failing, "groq", "echo+letters-3+" + broken.format(n=9))
    second = spare(failing, "anthropic", "echo+continues")
    heard = ask(failing, way, TEXT, first, second)
    whole(heard, second)
    assert prefix_of(calls(failing, second)[0]) == TEXT[:27].rstrip()
    errors = [error for _, error, _ in told(failing, heard)]
    assert errors[0] in ("cut", "reset", "server_error", "stalled")
    assert [after for _, _, after in told(failing, heard)] == ["rescue", None]
    receipt = failing.receipt(heard.prompt_id)
    assert (receipt["state"], receipt["fallback"]) == ("complete", True)
    assert receipt["attempts"][0]["usage"]["completion_tokens"] > 0
    if way[0] == "app":
        assert "restart" not in heard.events


@streamed
@pytest.mark.parametrize("pieces", [1, 2, 5, 17, 26, 30, 32])
@pytest.mark.parametrize("goes_on", ["continues", "whole-word", "healthy"])
def test_fault_4_23_the_seam_is_right_wherever_it_falls(
    failing: Gateway, way: tuple[str, bool], pieces: int, goes_on: str
) -> None:
    """In a word, behind a space, in a block of code; with a rescuer that goes on with the next letter, with the whole
    word, or says all of it again."""
    first = spare(failing, "groq", f"echo+letters-3+cut-after-{pieces}")
    second = spare(failing, "anthropic", f"echo+letters-4+{goes_on}")
    whole(ask(failing, way, TEXT, first, second), second)


@streamed
@pytest.mark.parametrize("pieces", [2, 3, 5])
def test_fault_4_23_a_space_that_was_sent_is_not_doubled_nor_lost(
    failing: Gateway, way: tuple[str, bool], pieces: int
) -> None:
    first = spare(failing, "groq", f"echo+cut-after-{pieces}")
    second = spare(failing, "anthropic", "echo+continues-spaceless")
    whole(
        ask(failing, way, "one two three four five six seven", first, second),
        second,
        "one two three four five six seven",
    )


@streamed
def test_fault_4_15_4_23_a_break_within_an_event_or_a_letter(failing: Gateway, way: tuple[str, bool]) -> None:
    """Bytes that made no whole event were never said."""
    second = spare(failing, "anthropic", "echo+letters-4+continues")
    for size in (1200, 1301, 1402, 1503, 1604, 1705, 1806, 1907):
        first = spare(failing, "groq", f"echo+letters-3+cut-bytes-{size}")
        heard = ask(failing, way, TEXT, first, second)
        whole(heard, second)
        assert told(failing, heard)[0][2] in ("rescue", "next_model", "retry")


@streamed
@pytest.mark.parametrize("rescuer", ["anthropic", "groq"])
def test_fault_4_23_a_rescuer_that_rejects_the_prefix_is_asked_afresh(
    failing: Gateway, way: tuple[str, bool], rescuer: str
) -> None:
    first = spare(failing, "groq", "echo+letters-3+cut-after-9")
    second = spare(failing, rescuer, "echo+letters-5+rejects-prefix")
    heard = ask(failing, way, TEXT, first, second)
    whole(heard, second)
    assert [prefix_of(call) is None for call in calls(failing, second)] == [False, True]
    assert [(error, after) for _, error, after in told(failing, heard)][1:] in (
        [("invalid_request", "retry"), (None, None)],
        [("invalid_request", "next_key"), (None, None)],
    )


@streamed
@pytest.mark.parametrize("rescuer", ["openai", "gemini"])
def test_fault_4_23_a_model_that_takes_no_prefix_is_asked_afresh_at_once(
    failing: Gateway, way: tuple[str, bool], rescuer: str
) -> None:
    first = spare(failing, "groq", "echo+letters-3+cut-after-9")
    second = spare(failing, rescuer, "echo+letters-5")
    whole(ask(failing, way, TEXT, first, second), second)
    assert len(calls(failing, second)) == 1


@streamed
@pytest.mark.parametrize("rescuer", ["openai", "gemini", "anthropic"])
def test_fault_4_23_answers_that_diverge_are_never_joined(
    failing: Gateway, way: tuple[str, bool], rescuer: str
) -> None:
    """Anthropic's model rejects the prefix here."""
    first = spare(failing, "groq", "echo+letters-3+cut-after-9")
    second = spare(failing, rescuer, "echo+letters-5+other+rejects-prefix")
    heard = ask(failing, way, TEXT, first, second)
    if way[0] == "app":
        whole(heard, second, "Quite another answer. " + TEXT)
        assert heard.events.count("restart") == 1
        restart = heard.data[heard.events.index("restart")]
        assert restart["model"] == second.partition("/")[2]
        history = failing.history(heard.data[-1]["conversation_id"])
        assert history[-1]["content"] == heard.text
        return
    assert heard.text == TEXT[:27]
    assert (heard.whole, heard.code) == (False, "upstream_failed")
    receipt = failing.receipt(heard.prompt_id)
    assert receipt["state"] == "upstream_failed"
    assert receipt["attempts"][-1]["next"] == "stop"
    # The rescuer did nothing wrong: it is not held against it.
    for _ in range(5):
        ask(failing, way, TEXT, spare(failing, "groq", "echo+letters-3+cut-after-9"), second)
    whole(ask(failing, way, TEXT, second), second, "Quite another answer. " + TEXT)


@streamed
def test_fault_4_23_a_rescuer_that_breaks_too_is_rescued(failing: Gateway, way: tuple[str, bool]) -> None:
    first = spare(failing, "groq", "echo+letters-3+cut-after-9")
    second = spare(failing, "anthropic", "echo+letters-3+continues+cut-after-9")
    third = spare(failing, "groq", "echo+letters-2+continues")
    heard = ask(failing, way, TEXT, first, second, third)
    whole(heard, third)
    assert [after for _, _, after in told(failing, heard)] == ["rescue", "rescue", None]


@streamed
def test_fault_4_23_when_no_rescuer_is_left_the_answer_is_told_broken(failing: Gateway, way: tuple[str, bool]) -> None:
    first = spare(failing, "groq", "echo+letters-3+cut-after-9")
    second = spare(failing, "anthropic", "echo+letters-3+continues+cut-after-9")
    heard = ask(failing, way, TEXT, first, second)
    assert (heard.whole, heard.code) == (False, "upstream_failed")
    assert TEXT.startswith(heard.text)
    assert len(heard.text) > 27
    assert failing.receipt(heard.prompt_id)["state"] == "upstream_failed"
    if way[0] == "app":
        kept = failing.history(heard.data[0]["conversation_id"])[-1]
        assert (kept["content"], kept["state"]) == (heard.text, "upstream_failed")


@streamed
def test_fault_4_23_a_rescuers_400_is_not_the_callers_fault(failing: Gateway, way: tuple[str, bool]) -> None:
    first = spare(failing, "groq", "echo+letters-3+cut-after-9")
    second, third = spare(failing, "openai", "status-400"), spare(failing, "gemini", "echo")
    whole(ask(failing, way, TEXT, first, second, third), third)
    alone = ask(failing, way, TEXT, spare(failing, "groq", "echo+letters-3+cut-after-9"), second)
    assert (alone.whole, alone.code) == (False, "upstream_failed")


@streamed
@pytest.mark.parametrize("does", ["cut-after-2", "silent-after-2", "error-event-2"])
def test_fault_4_20_after_a_call_has_begun_there_is_only_the_error(
    failing: Gateway, way: tuple[str, bool], does: str
) -> None:
    if way[0] == "app":
        pytest.skip("that door takes no tools")
    first, second = spare(failing, "groq", does), spare(failing, "openai")
    heard = ask(failing, way, "the weather?", first, second, tools=[TOOL])
    assert (heard.status, heard.whole) == (200, False)
    assert heard.code in ("upstream_failed", "upstream_timeout")
    assert calls(failing, second) == []
    assert told(failing, heard)[-1][2] == "stop"


@pytest.mark.parametrize("way", [("app", False), ("openai", False)], ids=lambda way: way[0])
@pytest.mark.parametrize("does", ["cut-after-2", "reset-after-2", "end-after-2+cut-json"])
def test_a_reply_in_one_piece_that_breaks_is_asked_anew(failing: Gateway, way: tuple[str, bool], does: str) -> None:
    first, second = spare(failing, "groq", f"echo+{does}"), spare(failing, "openai", "echo")
    whole(ask(failing, way, TEXT, first, second), second)


@streamed
def test_thoughts_alone_are_no_answer_to_go_on_from(failing: Gateway, way: tuple[str, bool]) -> None:
    first, second = spare(failing, "groq", "echo+only-reasoning"), spare(failing, "anthropic", "echo")
    heard = ask(failing, way, TEXT, first, second)
    whole(heard, second)
    assert prefix_of(calls(failing, second)[0]) is None
