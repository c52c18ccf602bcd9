"""What is said in recordings: as OpenAI's and Groq's clients ask for it, and in chats whose model does not hear."""

from __future__ import annotations

import base64
import io
from typing import Any

import groq
import openai
import pytest
import requests

from tests.journeys.gateway import GEMINI, GROQ, KEYS, Gateway, events, text_of
from tests.journeys.invariants import Invariants, assert_error
from tests.journeys.test_budgets import key_of, spent
from tests.providers.hearing import SENTENCES, wav

TURBO = "whisper-large-v3-turbo"
TEXT = "".join(SENTENCES)
SOUND = wav(2.5)
#: Nano-USD of a minute.
MINUTE = 666_667


def upload(gateway: Gateway, path: str = "/v1/audio/transcriptions", **fields: Any) -> requests.Response:
    file = fields.pop("file", ("a.wav", SOUND, "audio/wav"))
    headers = fields.pop("headers", {})
    files = {} if file is None else {"file": file}
    data = {"model": TURBO} | {name.replace("__", "[]"): value for name, value in fields.items()}
    if not files:
        files, data = {name: (None, value) for name, value in data.items()}, {}
    return gateway.http.post(gateway.url + path, data=data, files=files, headers=headers, timeout=20)


def test_openais_client_gets_the_words(gateway: Gateway, invariants: Invariants) -> None:
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0, timeout=20)
    raw = client.audio.transcriptions.with_raw_response.create(model=TURBO, file=("a.wav", io.BytesIO(SOUND)))
    assert raw.parse().text == TEXT
    row = gateway.settled(raw.headers["x-request-id"])
    assert (row["model"], row["provider"], row["state"], row["door"]) == (TURBO, "groq", "complete", "openai")
    assert row["charge"] == -(-3 * MINUTE // 60)
    assert raw.headers["x-cost-usd"] == f"{row['charge'] / 10**9:.9f}"
    assert (raw.headers["x-model"], raw.headers["x-provider"], raw.headers["x-attempts"]) == (TURBO, "groq", "1")
    assert gateway.sql("SELECT count(*) AS n FROM messages WHERE prompt_id = :id", id=row["prompt_id"])[0]["n"] == 0


def test_groqs_client_gets_the_words(gateway: Gateway) -> None:
    client = groq.Groq(base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=20)
    said = client.audio.transcriptions.create(model=TURBO, file=("a.wav", SOUND), language="de", temperature=0.2)
    assert said.text == TEXT
    sent = gateway.upstream.log()[0]["body"]
    assert (sent["language"], sent["temperature"], sent["file"]["bytes"]) == ("de", "0.2", len(SOUND))


def test_the_whole_of_it_with_times_and_words(gateway: Gateway) -> None:
    client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0, timeout=20)
    said = client.audio.transcriptions.create(
        model=TURBO, file=("a.wav", SOUND), response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert (said.text, said.language, said.duration) == (TEXT, "English", 2.5)
    assert [segment.text for segment in said.segments or ()] == list(SENTENCES)
    assert [word.word for word in said.words or ()] == ["Hello"]


@pytest.mark.parametrize(
    ("form", "kind", "body"),
    [
        ("text", "text/plain", f"{TEXT}\n"),
        ("srt", "application/x-subrip", ("1\n00:00:00,000 --> 00:00:01,250\nHello there.\n\n"
         "2\n00:00:01,250 --> 00:00:02,500\nThis is a test.\n")),
        ("vtt", "text/vtt", ("WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nHello there.\n\n"
         "00:00:01.250 --> 00:00:02.500\nThis is a test.\n")),
    ],
)  # fmt: skip
def test_the_other_formats(gateway: Gateway, form: str, kind: str, body: str) -> None:
    reply = upload(gateway, response_format=form)
    assert (reply.status_code, reply.headers["content-type"].split(";")[0], reply.text) == (200, kind, body)


def test_a_line_that_looks_like_a_cue_is_no_cue(gateway: Gateway) -> None:
    gateway.behave("odd-segments", TURBO)
    assert upload(gateway, response_format="srt").text == "1\n00:00:00,000 --> 00:00:01,000\na -> b c\n"


def test_another_model_listens_where_groq_fails(gateway: Gateway, invariants: Invariants) -> None:
    gateway.behave("status-500", TURBO)
    reply = upload(gateway)
    assert (reply.json()["text"], reply.headers["x-provider"], reply.headers["x-model"]) == (
        TEXT,
        "openai",
        "whisper-1",
    )
    assert gateway.settled(reply.headers["x-request-id"])["fallback"]
    assert upload(gateway, model="whisper-1").headers["x-attempts"] == "1"
    assert upload(gateway, model="auto").status_code == 200


def test_all_that_fail_are_told_as_a_chats(gateway: Gateway) -> None:
    for model in (TURBO, "whisper-1"):
        gateway.behave("status-500", model)
    assert_error(upload(gateway), 502, "upstream_failed")
    for model in (TURBO, "whisper-1"):
        gateway.behave("status-400", model)


@pytest.mark.parametrize(
    ("fields", "status", "code", "field"),
    [
        ({"model": ""}, 400, "invalid_request", "model"),
        ({"model": "nope"}, 404, "not_found", "model"),
        ({"model": GROQ}, 400, "invalid_request", "model"),
        ({"file": None}, 400, "invalid_request", "file"),
        ({"file": ("a.wav", b"", "audio/wav")}, 400, "invalid_request", "file"),
        ({"file": ("a.wav", b"hello", "audio/wav")}, 415, "unsupported_media", "file"),
        ({"file": ("a.mp3", b"\x89PNG\r\n\x1a\n" + bytes(99), "audio/mpeg")}, 415, "unsupported_media", "file"),
        ({"file": ("a.wav", bytes(26 * 2**20), "audio/wav")}, 413, "too_large", "file"),
        ({"response_format": "xml"}, 400, "invalid_request", "response_format"),
        ({"temperature": "2"}, 400, "invalid_request", "temperature"),
        ({"temperature": "nan"}, 400, "invalid_request", "temperature"),
        ({"temperature": "hot"}, 400, "invalid_request", "temperature"),
        ({"language": "english please"}, 400, "invalid_request", "language"),
        ({"language": "en\r\nX: 1"}, 400, "invalid_request", "language"),
        ({"prompt": "x" * 10_001}, 400, "invalid_request", "prompt"),
        ({"stream": "true"}, 400, "invalid_request", "stream"),
        ({"url": "http://169.254.169.254/a.wav"}, 400, "invalid_request", "url"),
        ({"base_url": "http://x"}, 400, "invalid_request", "base_url"),
        ({"timestamp_granularities__": "word"}, 400, "invalid_request", "timestamp_granularities[]"),
    ],
)  # fmt: skip
def test_fault_7_12_a_wrong_form_names_its_field(
    gateway: Gateway, fields: dict[str, Any], status: int, code: str, field: str
) -> None:
    assert_error(upload(gateway, **fields), status, code, field)
    assert gateway.upstream.log() == []


def test_no_form_and_no_token_are_refused(gateway: Gateway) -> None:
    assert gateway.post("/v1/audio/transcriptions", {"model": TURBO}).status_code == 415
    reply = requests.post(f"{gateway.url}/v1/audio/transcriptions", files={"file": SOUND}, timeout=10)
    assert reply.status_code == 401


def test_whoever_has_no_money_for_it_asks_nobody(gateway: Gateway) -> None:
    headers, key_id = key_of(gateway, MINUTE // 60)
    reply = upload(gateway, headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (402, "budget_exceeded")
    assert gateway.upstream.log() == []
    assert spent(gateway, key_id) == 0


def test_money_for_ten_seconds_pays_for_three_recordings(gateway: Gateway) -> None:
    headers, key_id = key_of(gateway, 10 * MINUTE // 60)
    asked = [upload(gateway, headers=headers).status_code for _ in range(5)]
    assert asked == [200, 200, 200, 402, 402]
    assert spent(gateway, key_id) == 3 * -(-3 * MINUTE // 60)


def test_the_same_idempotency_key_is_heard_once(gateway: Gateway) -> None:
    headers = {"Idempotency-Key": "one recording"}
    first, second = upload(gateway, headers=headers), upload(gateway, headers=headers)
    assert first.content == second.content
    assert second.headers["idempotent-replayed"] == "true"
    assert len(gateway.upstream.log()) == 1
    assert upload(gateway, headers=headers, file=("a.wav", wav(1), "audio/wav")).status_code == 409


def keep(gateway: Gateway) -> str:
    files = {"file": ("talk.wav", SOUND, "audio/wav")}
    data = {"purpose": "user_data"}
    return str(gateway.http.post(f"{gateway.url}/v1/files", files=files, data=data, timeout=10).json()["id"])


def test_an_attached_recording_is_written_down_for_who_does_not_hear(gateway: Gateway, invariants: Invariants) -> None:
    said = gateway.say("What is said?", model=GROQ, attachments=[keep(gateway)])
    log = [entry for entry in gateway.upstream.log() if entry["method"] == "POST"]
    assert [entry["path"].rpartition("/")[2] for entry in log] == ["transcriptions", "completions"]
    prompt = str(log[1]["body"]["messages"])
    assert TEXT in prompt
    assert "talk.wav" in prompt
    receipt = gateway.receipt(said["prompt_id"])
    assert [(a["model"], a["error"]) for a in receipt["attempts"]] == [(TURBO, None), (GROQ, None)]
    words = receipt["attempts"][1]["usage"]
    own = words["prompt_tokens"] * 50 + words["completion_tokens"] * 80
    assert gateway.settled(said["prompt_id"])["charge"] == -(-3 * MINUTE // 60) + own
    assert said["model"] == GROQ


def test_a_stream_says_who_answers_and_not_who_wrote_it_down(gateway: Gateway) -> None:
    body = {"message": "What is said?", "model": GROQ, "attachments": [keep(gateway)], "stream": True}
    reply = gateway.post("/llm/chat", body, stream=True)
    seen = list(events(reply))
    assert seen[0][1]["model"] == GROQ
    assert seen[-1][0] == "end"
    assert TEXT not in text_of(seen) or "Answer to" in text_of(seen)


def test_a_model_that_hears_gets_the_recording_itself(gateway: Gateway) -> None:
    gateway.say("What is said?", model=GEMINI, attachments=[keep(gateway)])
    log = [entry for entry in gateway.upstream.log() if entry["method"] == "POST"]
    assert len(log) == 1
    parts = log[0]["body"]["contents"][-1]["parts"]
    sent = next(part["inlineData"] for part in parts if "inlineData" in part)
    assert (sent["mimeType"], base64.b64decode(sent["data"])) == ("audio/wav", SOUND)


def test_a_recording_is_written_down_once_for_a_conversation(gateway: Gateway) -> None:
    talk = gateway.say("What is said?", model=GROQ, attachments=[keep(gateway)])["conversation_id"]
    calls = len(gateway.upstream.log())
    gateway.say("And who says it?", model=GROQ, conversation_id=talk)
    (asked,) = gateway.upstream.log()[calls:]
    assert TEXT in str(asked["body"]["messages"][0])


def test_sound_in_a_chat_completion_is_written_down_too(gateway: Gateway) -> None:
    sound = {"type": "input_audio", "input_audio": {"data": base64.b64encode(SOUND).decode(), "format": "wav"}}
    body = {"model": GROQ, "messages": [{"role": "user", "content": [sound, {"type": "text", "text": "What?"}]}]}
    reply = gateway.post("/v1/chat/completions", body)
    assert reply.status_code == 200, reply.text
    assert TEXT in str(gateway.upstream.log()[-1]["body"])


def test_a_recording_that_nobody_can_write_down_ends_the_chat(gateway: Gateway) -> None:
    for model in (TURBO, "whisper-1"):
        gateway.behave("status-500", model)
    reply = gateway.post("/llm/chat", {"message": "What?", "model": GROQ, "attachments": [keep(gateway)]})
    assert_error(reply, 502, "upstream_failed")


def test_no_canary_of_the_keys_is_anywhere(gateway: Gateway) -> None:
    gateway.behave("quotes-key", TURBO)
    reply = upload(gateway)
    said = reply.text + str(gateway.receipt(reply.headers["x-request-id"])) + gateway.logs()
    assert KEYS["groq"] not in said
