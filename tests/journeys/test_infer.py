"""A question about a picture or a video: what the providers were shown, and what the caller gets."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import requests
from PIL import Image

from tests import made_media as made
from tests.journeys.gateway import CLAUDE, GEMINI, GROQ, OPENAI, Gateway
from tests.journeys.seen import infer, left_behind, shown
from tests.journeys.server import LiveServer

SEEING = pytest.mark.parametrize("model", [GEMINI, OPENAI, CLAUDE])


@SEEING
@pytest.mark.parametrize("form", made.PICTURES)
def test_a_model_is_shown_a_picture_of_each_kind(gateway: Gateway, form: str, model: str) -> None:
    reply = infer(gateway, made.picture(form, 9), model=model)
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.headers["x-model"] == model
    seen = shown(gateway)
    assert [made.step_of(picture) for picture in seen.pictures] == [9]
    assert _size(seen.pictures[0]) == (made.WIDTH, made.HEIGHT)
    assert seen.parts[-1] == "What is it?"
    assert left_behind(gateway) == []


@pytest.mark.parametrize("model", [CLAUDE, OPENAI])
@pytest.mark.parametrize("form", made.VIDEOS)
def test_a_model_is_shown_frames_of_a_video_of_each_kind(
    gateway: Gateway, form: str, model: str, tmp_path: Path
) -> None:
    reply = infer(gateway, made.video(tmp_path / f"a.{form}", 5), model=model, name=f"clip.{form}")
    assert reply.status_code == 200, reply.text
    seen = shown(gateway)
    steps = [made.step_of(picture) for picture in seen.pictures]
    assert 4 <= len(steps) <= 16
    assert steps == sorted(set(steps)), "each once, in their order"
    assert {_size(picture) for picture in seen.pictures} == {(made.WIDTH, made.HEIGHT)}
    assert len(seen.times) == len(steps), "each frame has its time"
    for at, step in zip(seen.times, steps, strict=True):
        assert step == pytest.approx(at / 5 * 16, abs=1.2)
    lead = seen.parts[0]
    assert isinstance(lead, str)
    assert lead.startswith(f'Video "clip.{form}", 0:0')
    assert lead.endswith(f"{len(steps)} of its frames follow, each with its time:")
    assert seen.parts[-1] == "What is it?"
    assert left_behind(gateway) == []


def test_json_is_given_where_it_is_asked_for(gateway: Gateway) -> None:
    reply = infer(gateway, made.picture("png"), headers={"Accept": "application/json"}, session_id="looking")
    body = reply.json()
    assert set(body) == {
        "prompt_id", "type", "response", "image_url", "model", "provider", "latency_ms", "tokens", "cached",
        "fallback", "session_id",
    }  # fmt: skip
    assert body["session_id"] == "looking"
    assert body["prompt_id"] == reply.headers["x-request-id"]


def test_a_model_that_cannot_see_is_not_chosen(gateway: Gateway) -> None:
    reply = infer(gateway, made.picture("png"), model=GROQ)
    assert reply.status_code == 200
    assert reply.headers["x-model"] != GROQ
    assert len(shown(gateway).pictures) == 1


def test_where_no_model_sees_those_that_could_are_named(live_server: LiveServer) -> None:
    reply = requests.post(
        f"{live_server.url}/infer",
        files={"prompt": (None, "what?"), "video_file": ("a.png", made.picture("png"))},
        headers={"Authorization": f"Bearer {live_server.first_key()}"},
        timeout=20,
    )
    assert reply.status_code == 415
    error = reply.json()["error"]
    assert error["code"] == "unsupported_media"
    assert GEMINI in error["details"]["models"]
    assert GROQ not in error["details"]["models"]


def test_a_question_without_a_file_is_a_chat_of_its_session(gateway: Gateway) -> None:
    infer(gateway, made.picture("png"), "What colour is the ground?", session_id="two turns", model=GEMINI)
    reply = infer(gateway, None, "And the square?", session_id="two turns", model=GEMINI)
    assert reply.status_code == 200
    turns = gateway.upstream.log()[-1]["body"]["contents"]
    assert [turn["role"] for turn in turns] == ["user", "model", "user"]
    assert turns[0]["parts"] == [{"text": "What colour is the ground?"}]


def test_a_large_picture_is_scaled_before_it_is_sent(gateway: Gateway) -> None:
    infer(gateway, made.picture("jpg", size=(4000, 3000)), model=GEMINI)
    assert _size(shown(gateway).pictures[0]) == (1568, 1176)


def test_under_one_key_a_form_is_answered_once(gateway: Gateway) -> None:
    key = {"Idempotency-Key": "infer-1"}
    first = infer(gateway, made.picture("png"), headers=key)
    calls = len(gateway.upstream.log())
    again = infer(gateway, made.picture("png"), headers=key)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    other = infer(gateway, made.picture("png", 3), headers=key)
    assert other.status_code == 409
    assert len(gateway.upstream.log()) == calls


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"prompt": ""}, "prompt"), ({"session_id": "a/b"}, "session_id"), ({"colour": "red"}, "colour")],
)
def test_a_wrong_field_is_named(gateway: Gateway, fields: dict[str, str], field: str) -> None:
    reply = infer(gateway, made.picture("png"), **fields)
    assert reply.status_code == 400
    assert reply.json()["error"]["details"]["field"] == field


def _size(picture: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(picture)).size
