"""Those who listen: Groq by its own SDK, and whoever speaks OpenAI's wire."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from app.domain.chat import FilePart, Message, ProviderCall
from app.domain.errors import ProviderFault
from app.domain.events import Delta, Finish, ProviderEvent, Silence, UsageReport
from app.domain.sound import Heard
from app.domain.usage import Usage
from app.factories.llm_service_factory import LLMServiceFactory
from app.services.llm.base import BaseLLMService
from app.services.llm.groq_sdk import GroqTranscripts
from app.utils.cancel import Cancel
from app.utils.patience import Patience
from tests.providers.asking import new_factory, patient
from tests.providers.fixtures import EmulatedProviders
from tests.providers.hearing import SENTENCES, wav

SECRET = "sk-canary-0123456789abcdef"
TEXT = "".join(SENTENCES)
SOUND = wav(2.5)
#: Integration and the path of its base URL here.
LISTENERS = {"groq": "/groq/openai/v1", "openai": "/v1"}
every_listener = pytest.mark.parametrize("who", LISTENERS)


@dataclass
class Written:
    text: str = ""
    heard: Heard | None = None
    usage: Usage | None = None
    finish: str | None = None
    silences: int = 0
    fault: ProviderFault | None = None

    @property
    def kind(self) -> str | None:
        return self.fault.kind if self.fault else None


def call(upstream: EmulatedProviders, who: str, model: str, part: FilePart | None = None, **facts: Any) -> ProviderCall:
    given = part or FilePart("file", data=SOUND, name="../geheim.wav", content_type="audio/wav", seconds=3)
    base = facts.pop("base", upstream.url + LISTENERS[who])
    return ProviderCall(model, base, SECRET, (Message("user", (given,)),), stream=False, **facts)


class Listener:
    def __init__(self, factory: LLMServiceFactory, upstream: EmulatedProviders) -> None:
        self.factory, self.upstream = factory, upstream

    def service(self, who: str) -> BaseLLMService:
        return self.factory.service(who, "transcript")

    def write(self, who: str, model: str = "whisper", patience: Patience | None = None, **facts: Any) -> Written:
        asked = call(self.upstream, who, model, **facts)
        return folded(self.service(who).chat(asked, patience or patient(), Cancel()))


def folded(events: Iterable[ProviderEvent]) -> Written:
    seen = Written()
    try:
        for event in events:
            match event:
                case Delta():
                    seen.text += event.text
                case Heard():
                    seen.heard = event
                case UsageReport():
                    seen.usage = event.usage
                case Finish():
                    seen.finish = event.reason
                case Silence():
                    seen.silences += 1
    except ProviderFault as fault:
        seen.fault = fault
    return seen


@pytest.fixture(scope="module")
def factory() -> LLMServiceFactory:
    return new_factory()


@pytest.fixture
def listener(factory: LLMServiceFactory, upstream: EmulatedProviders) -> Listener:
    return Listener(factory, upstream)


def test_groq_is_asked_by_its_own_sdk(listener: Listener) -> None:
    assert isinstance(listener.service("groq"), GroqTranscripts)


@every_listener
def test_what_is_said_comes_with_its_times(listener: Listener, who: str) -> None:
    written = listener.write(who)
    assert (written.text, written.finish, written.fault) == (TEXT, "stop", None)
    assert written.heard is not None
    assert (written.heard.language, written.heard.seconds) == ("English", 2.5)
    assert [(s["start"], s["end"], s["text"]) for s in written.heard.segments] == [
        (0, 1.25, SENTENCES[0]),
        (1.25, 2.5, SENTENCES[1]),
    ]
    assert written.usage is not None
    assert (written.usage.seconds, written.usage.source) == (3, "provider")


@every_listener
def test_the_recording_goes_whole_under_a_name_of_ours(
    listener: Listener, who: str, upstream: EmulatedProviders, tmp_path: Path
) -> None:
    path = tmp_path / "sound"
    path.write_bytes(SOUND)
    params = {"language": "de", "prompt": "Zürich", "temperature": 0.5, "timestamp_granularities": ("word", "segment")}
    part = FilePart("file", path=path, name="geheim.wav", content_type="audio/wav", seconds=3)
    written = listener.write(who, part=part, params=params)
    entry = upstream.log()[0]
    sent = entry["body"]
    assert sent.pop("file") == {
        "name": "recording.wav", "type": "audio/wav", "bytes": len(SOUND), "seconds": 2.5,
        "sha256": hashlib.sha256(SOUND).hexdigest(),
    }  # fmt: skip
    assert sent == {
        "model": "whisper", "response_format": "verbose_json", "language": "de", "prompt": "Zürich",
        "temperature": "0.5", "timestamp_granularities[]": ["word", "segment"],
    }  # fmt: skip
    assert entry["headers"]["authorization"] == f"Bearer {SECRET}"
    assert not [name for name in entry["headers"] if name.startswith("x-stainless")]
    assert entry["path"] == LISTENERS[who] + "/audio/transcriptions"
    assert written.heard is not None
    assert written.heard.words == ({"word": "Hello", "start": 0, "end": 0.5},)


@every_listener
def test_a_model_that_is_no_whisper_is_asked_for_plain_json(
    listener: Listener, who: str, upstream: EmulatedProviders
) -> None:
    written = listener.write(who, "gpt-4o-transcribe")
    assert (written.text, upstream.log()[0]["body"]["response_format"]) == (TEXT, "json")
    assert written.usage is not None
    assert written.usage.seconds == 3


@every_listener
@pytest.mark.parametrize("model", ["whisper+no-duration", "whisper+odd-duration"])
def test_a_length_that_is_not_told_or_not_believed_is_guessed(listener: Listener, who: str, model: str) -> None:
    usage = listener.write(who, model).usage
    assert usage is not None
    assert (usage.seconds, usage.source) == (3, "counted")


@every_listener
def test_rows_that_are_none_are_left_out(listener: Listener, who: str) -> None:
    written = listener.write(who, "whisper+odd-segments")
    assert written.heard is not None
    assert [row["text"] for row in written.heard.segments] == ["a --> b\n\nc"]


@every_listener
def test_silence_is_a_transcript_too(listener: Listener, who: str) -> None:
    written = listener.write(who, "whisper+speechless")
    assert (written.text, written.finish, written.fault) == ("", "stop", None)


@every_listener
@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("status-400", "invalid_request"), ("status-401", "key_rejected"), ("status-403", "key_rejected"),
        ("status-404", "model_gone"), ("status-413", "too_large"), ("status-429", "rate_limited"),
        ("status-500", "server_error"), ("status-503", "server_error"), ("redirect-302", "bad_reply"),
        ("redirect-307", "bad_reply"), ("html-200", "bad_reply"), ("null", "bad_reply"), ("cut-json", "bad_reply"),
        ("reset", "reset"), ("close", "reset"), ("silent", "first_token_timeout"), ("bad-key", "key_rejected"),
    ],
)  # fmt: skip
def test_fault_4_25_what_goes_wrong_is_the_same_fault_as_of_a_chat(
    listener: Listener, who: str, model: str, kind: str
) -> None:
    assert listener.write(who, f"whisper+{model}", patience=patient(first=0.4)).kind == kind


@every_listener
def test_fault_4_25_nobody_asks_again_and_no_redirect_is_followed(
    listener: Listener, who: str, upstream: EmulatedProviders
) -> None:
    for model in ("status-500", "status-429", "redirect-307"):
        listener.write(who, f"whisper+{model}")
    assert len(upstream.log()) == 3


@every_listener
def test_fault_4_24_a_key_that_the_provider_quotes_is_masked(listener: Listener, who: str) -> None:
    fault = listener.write(who, "whisper+quotes-key").fault
    assert fault is not None
    assert SECRET not in str(fault)


@every_listener
def test_fault_8_10_no_proxy_and_no_key_of_the_environment_is_used(
    listener: Listener, who: str, upstream: EmulatedProviders
) -> None:
    theirs = {"HTTP_PROXY": "http://127.0.0.1:9", "GROQ_API_KEY": "env-canary", "GROQ_BASE_URL": "http://127.0.0.1:9"}
    with mock.patch.dict(os.environ, theirs):
        assert listener.write(who).fault is None
    assert "env-canary" not in str(upstream.log())


def test_groq_behind_another_address_is_asked_on_the_plain_wire(
    listener: Listener, upstream: EmulatedProviders
) -> None:
    written = listener.write("groq", base=upstream.url + "/mine/v1")
    assert (written.text, upstream.log()[0]["path"]) == (TEXT, "/mine/v1/audio/transcriptions")


@every_listener
def test_whoever_waits_is_told_of_the_silence(listener: Listener, who: str) -> None:
    assert listener.write(who, "whisper+slow-400", patience=patient(tick=0.1)).silences >= 2


@every_listener
def test_fault_3_01_closing_lets_go_of_the_provider(listener: Listener, who: str, upstream: EmulatedProviders) -> None:
    asked = call(upstream, who, "whisper+silent")
    events = listener.service(who).chat(asked, patient(tick=0.05), Cancel())
    assert isinstance(next(events), Silence)
    upstream.wait_for(lambda log: len(log) == 1)
    events.close()
    upstream.wait_for(lambda log: log[0]["left"], seconds=1.0)
