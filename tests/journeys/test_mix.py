"""`model: mix`: one model thinks, another answers, one receipt tells both."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from tests.journeys.failing import WAYS, ask, calls, failing_gateway, spare, wait_for_spares
from tests.journeys.gateway import Gateway, events, text_of
from tests.providers.fixtures import EmulatedProviders

PNG = base64.b64encode(
    base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
).decode()

every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0]}-{'stream' if way[1] else 'json'}")


@pytest.fixture(scope="module")
def _mixing(tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders) -> Iterator[Gateway]:
    with failing_gateway(tmp_path_factory.mktemp("mixing"), upstream_process) as gateway:
        wait_for_spares(gateway)
        yield gateway


@pytest.fixture
def mixing(_mixing: Gateway, upstream: EmulatedProviders) -> Gateway:
    return _mixing


def prompt_of(gateway: Gateway, model: str) -> str:
    """All that this model was sent, as one text."""
    (call,) = calls(gateway, model)
    return str(call["body"])


@every_way
def test_one_thinks_and_another_answers_from_its_notes(mixing: Gateway, way: tuple[str, bool]) -> None:
    thinker, writer = spare(mixing, "groq"), spare(mixing, "openai")
    heard = ask(mixing, way, "why is the sky blue?", f"mix:{thinker}+{writer}")
    assert (heard.status, heard.whole) == (200, True)
    assert heard.text == "Answer to: " + heard.text.removeprefix("Answer to: ")
    assert heard.model == writer.partition("/")[2]
    assert "why is the sky blue?" in prompt_of(mixing, thinker)
    assert "<notes>\\nAnswer to: why is the sky blue?\\n</notes>" in prompt_of(mixing, writer)
    receipt = mixing.receipt(heard.prompt_id)
    assert [row["model"] for row in receipt["attempts"]] == [thinker.partition("/")[2], writer.partition("/")[2]]
    assert receipt["fallback"] is False
    assert receipt["usage"]["total_tokens"] == sum(row["usage"]["total_tokens"] for row in receipt["attempts"])


def test_the_thoughts_are_streamed_and_kept_as_reasoning(mixing: Gateway) -> None:
    thinker, writer = spare(mixing, "groq"), spare(mixing, "openai")
    body = {"message": "think first", "model": f"mix:{thinker}+{writer}", "stream": True}
    seen = list(events(mixing.post("/llm/chat", body, stream=True)))
    thoughts = "".join(data.get("reasoning", "") for name, data in seen if name == "delta")
    assert thoughts == "Answer to: think first"
    name, end = seen[-1]
    assert (name, end["reasoning"], end["text"]) == ("end", thoughts, text_of(seen))
    kept = mixing.history(end["conversation_id"])
    assert kept[-1]["reasoning"] == thoughts


@pytest.mark.parametrize("fault", ["status-500", "silent", "empty-answer"])
def test_fault_9_09_where_nobody_can_think_the_writer_answers_alone_and_says_so(mixing: Gateway, fault: str) -> None:
    thinker, writer = spare(mixing, "groq", fault), spare(mixing, "openai")
    body = {"message": "alone then", "model": f"mix:{thinker}+{writer}", "stream": True}
    seen = list(events(mixing.post("/llm/chat", body, stream=True)))
    notices = [data["message"] for name, data in seen if name == "notice" and data["kind"] == "mix"]
    assert len(notices) == 1
    assert seen[-1][0] == "end"
    assert text_of(seen) == "Answer to: alone then"
    assert "<notes>" not in prompt_of(mixing, writer)


def test_fault_9_09_a_megabyte_of_thought_is_cut(mixing: Gateway) -> None:
    thinker, writer = spare(mixing, "groq", "chunks-300-of-4096"), spare(mixing, "openai")
    body = {"message": "at length", "model": f"mix:{thinker}+{writer}", "stream": True}
    seen = list(events(mixing.post("/llm/chat", body, stream=True)))
    name, end = seen[-1]
    assert (name, end["text"][:20]) == ("end", "Answer to: at length")
    assert len(end["reasoning"]) == 64 * 1024
    assert [data["kind"] for name, data in seen if name == "notice"] == ["mix"]
    assert len(prompt_of(mixing, writer)) < 80_000


def test_half_a_thought_is_used_and_told(mixing: Gateway) -> None:
    thinker, writer = spare(mixing, "groq", "cut-after-2"), spare(mixing, "openai")
    body = {"message": "half a thought", "model": f"mix:{thinker}+{writer}", "stream": True}
    seen = list(events(mixing.post("/llm/chat", body, stream=True)))
    assert seen[-1][0] == "end"
    assert "broke off" in next(data["message"] for name, data in seen if name == "notice")
    assert "<notes>\\nAnswer to: " in prompt_of(mixing, writer)


def test_fault_9_09_a_blind_reasoner_is_told_what_the_picture_shows(mixing: Gateway) -> None:
    content = [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    body = {
        "model": "mix:groq/llama-3.1-8b-instant+groq/llama-3.3-70b-versatile",
        "messages": [{"role": "user", "content": content}],
    }
    reply = mixing.post("/v1/chat/completions", body)
    assert reply.status_code == 200, reply.text
    receipt = mixing.receipt(reply.json()["id"])
    assert [row["model"] for row in receipt["attempts"]][1:] == ["llama-3.1-8b-instant", "llama-3.3-70b-versatile"]
    log = mixing.upstream.log()
    seeing, *blind = [str(entry["body"]) for entry in log if entry["method"] == "POST"][-3:]
    assert PNG[:20] in seeing
    assert all(PNG[:20] not in sent and "What the pictures show" in sent for sent in blind)


def test_one_receipt_has_the_cost_of_both(mixing: Gateway) -> None:
    answer = mixing.say("what does it cost?", model="mix:openai/gpt-6-luna+groq/llama-3.1-8b-instant")
    receipt = mixing.receipt(answer["prompt_id"])
    thought, written = receipt["attempts"]
    luna, llama = (row["price"] for row in prices(mixing, "gpt-6-luna", "llama-3.1-8b-instant"))
    cost = sum(
        (row["usage"]["prompt_tokens"] * price["input"] + row["usage"]["completion_tokens"] * price["output"]) / 1e6
        for row, price in ((thought, luna), (written, llama))
    )
    assert receipt["cost"] == pytest.approx(cost, rel=1e-3)
    assert answer["cost"] == receipt["cost"]


def prices(gateway: Gateway, *names: str) -> list[dict[str, dict[str, float]]]:
    rows = {row["name"]: row for row in gateway.get("/models").json()["models"]}
    return [rows[name] for name in names]


def test_a_mix_is_an_alias_and_its_parts_must_be_known(mixing: Gateway) -> None:
    assert {"id": "mix", "owned_by": "alias"}.items() <= mixing.get("/v1/models/mix").json().items()
    for name in ("mix:nobody+groq/llama-3.1-8b-instant", "mix:groq/llama-3.1-8b-instant", "mix:", "mix:a+", "mix:+b"):
        reply = mixing.openai("hello", model=name)
        assert (reply.status_code, reply.json()["error"]["param"]) == (404, "model")


def test_a_plain_mix_takes_a_model_that_reasons_and_one_that_does_not(mixing: Gateway) -> None:
    answer = mixing.say("choose yourself", model="mix")
    thought, written = mixing.receipt(answer["prompt_id"])["attempts"]
    assert thought["reason"] == "thinks"
    assert thought["model"] != written["model"] == answer["model"]
