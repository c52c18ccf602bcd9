"""A video goes as it is to a model that takes one, in the request or by its provider's store; the others get frames."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from tests import made_media as made
from tests.journeys.gateway import GEMINI, OPENAI, Gateway, soon
from tests.journeys.seen import infer, left_behind, shown
from tests.journeys.test_attachments import keep

STORE = "gemini-files"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return made.video(tmp_path / "clip.mp4")


@pytest.fixture
def large(clip: Path) -> Path:
    """The same, with 11 MB in it that mean nothing."""
    size = 11 * 2**20
    with clip.open("ab") as file:
        file.write(size.to_bytes(4, "big") + b"free" + bytes(size - 8))
    return clip


def calls(gateway: Gateway) -> list[tuple[str, str]]:
    """Method and path of all that the provider was asked, but for what takes files away."""
    asked = [(entry["method"], entry["path"].partition("?")[0]) for entry in gateway.upstream.log()]
    return [call for call in asked if call[0] != "DELETE"]


def parts(gateway: Gateway) -> list[dict[str, Any]]:
    asked = next(entry for entry in reversed(gateway.upstream.log()) if "contents" in str(entry["body"])[:40])
    found: list[dict[str, Any]] = asked["body"]["contents"][-1]["parts"]
    return found


@pytest.mark.parametrize(("form", "kind"), [("mp4", "mp4"), ("mov", "mov"), ("avi", "avi"), ("webm", "webm")])
def test_a_small_video_goes_in_the_request(any_gateway: Gateway, tmp_path: Path, form: str, kind: str) -> None:
    clip = made.video(tmp_path / f"clip.{form}")
    reply = infer(any_gateway, clip, "What happens?", model=GEMINI)
    assert reply.status_code == 200, reply.text
    video, words = parts(any_gateway)
    assert video["inlineData"]["mimeType"] == f"video/{kind}"
    assert base64.b64decode(video["inlineData"]["data"]) == clip.read_bytes()
    assert words == {"text": "What happens?"}
    assert left_behind(any_gateway) == []


def test_an_attached_video_goes_in_the_request_and_by_its_frames_later(gateway: Gateway, clip: Path) -> None:
    video = keep(gateway, "clip.mp4", clip.read_bytes())
    talk = gateway.say("What happens?", model=GEMINI, attachments=[video])["conversation_id"]
    assert [next(iter(part)) for part in parts(gateway)] == ["inlineData", "text"]
    gateway.say("And then?", model=GEMINI, conversation_id=talk)
    first = gateway.upstream.log()[-1]["body"]["contents"][0]["parts"]
    assert first[0]["text"].startswith('Video "clip.mp4", 0:0')
    assert {part["inlineData"]["mimeType"] for part in first if "inlineData" in part} == {"image/jpeg"}


def test_a_kind_that_gemini_does_not_read_goes_by_its_frames(gateway: Gateway, tmp_path: Path) -> None:
    assert infer(gateway, made.video(tmp_path / "clip.mkv"), model=GEMINI).status_code == 200
    assert len(shown(gateway).times) >= 4


def test_a_large_video_goes_by_the_providers_store_and_is_gone_afterwards(gateway: Gateway, large: Path) -> None:
    reply = infer(gateway, large, "What happens?", model=GEMINI)
    assert reply.status_code == 200, reply.text
    asked = calls(gateway)
    upload, file = "/upload/v1beta/files", asked[2][1]
    assert asked[:4] == [("POST", upload), ("POST", upload), ("GET", file), ("GET", file)]
    video, words = parts(gateway)
    assert video["fileData"]["mimeType"] == "video/mp4"
    assert video["fileData"]["fileUri"].endswith(file)
    assert words == {"text": "What happens?"}
    assert gateway.upstream.log()[1]["body"] == {"bytes": large.stat().st_size}
    soon(lambda: ("DELETE", file) in [(one["method"], one["path"]) for one in gateway.upstream.log()])


@pytest.mark.parametrize("trouble", ["status-500", "status-403", "unreadable", "html-200", "reset"])
def test_where_the_store_fails_the_frames_go(gateway: Gateway, large: Path, trouble: str) -> None:
    gateway.behave(trouble, STORE, to_leavers=True)
    reply = infer(gateway, large, "What happens?", model=GEMINI)
    assert reply.status_code == 200, reply.text
    assert reply.headers["x-attempts"] == "1"
    assert sum(part.get("inlineData", {}).get("mimeType") == "image/jpeg" for part in parts(gateway)) >= 4


def test_another_model_that_answers_instead_gets_the_frames(gateway: Gateway, clip: Path) -> None:
    gateway.behave("status-500", GEMINI)
    video = keep(gateway, "clip.mp4", clip.read_bytes())
    data = gateway.say("What happens?", model=GEMINI, fallbacks=[OPENAI], attachments=[video])
    assert data["model"] == OPENAI
    assert len(shown(gateway).times) >= 4


def test_no_key_of_the_store_is_in_a_log(gateway: Gateway, large: Path) -> None:
    gateway.behave("quotes-key", STORE, to_leavers=True)
    assert infer(gateway, large, model=GEMINI).status_code == 200
    assert "canary-gemini-key" not in gateway.logs()
