"""Pictures as callers meet them: wished for in words, by a mode, by a model's name, or as OpenAI's clients do."""

from __future__ import annotations

import base64
import threading
from typing import Any

import openai
import pytest
import requests

from tests.journeys.gateway import GROQ, KEYS, Gateway, events, soon
from tests.journeys.invariants import Invariants
from tests.journeys.people import Person
from tests.journeys.test_budgets import key_of, spent
from tests.providers.drawing import png

MODEL = "gemini-2.5-flash-image"
FLUX = "flux"
#: Nano-USD: of a picture, and a million tokens of what is said beside it.
PICTURE, INPUT, OUTPUT = 38_700_000, 300, 2_500


@pytest.fixture
def oai(gateway: Gateway) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.key, max_retries=0, timeout=20)


def short(gateway: Gateway, prompt: str, query: str = "", **fields: Any) -> requests.Response:
    return gateway.post(f"/chat{query}", {"prompt": prompt, **fields})


def drawn(gateway: Gateway, prompt: str, query: str = "", **fields: Any) -> dict[str, Any]:
    reply = short(gateway, prompt, query, **fields)
    assert reply.status_code == 200, reply.text
    data: dict[str, Any] = reply.json()
    return data


@pytest.fixture
def drawn_before(gateway: Gateway) -> None:
    """The first picture of a worker loads the maker's SDK, whose threads stay."""
    short(gateway, "Draw a grey goose")


@pytest.mark.usefixtures("drawn_before")
def test_a_wish_for_a_picture_gets_one_that_is_kept_here(gateway: Gateway, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("invariants")
    reply = short(gateway, "Draw a red fox", session_id="menagerie")
    data = reply.json()
    assert reply.status_code == 200, reply.text
    assert (data["type"], data["model"], data["provider"], data["fallback"]) == ("image", MODEL, "gemini", False)
    assert data["response"] == "Answer to: Draw a red fox"
    content = gateway.get(data["image_url"])
    assert (content.status_code, content.headers["content-type"]) == (200, "image/png")
    assert content.content == png("gemini: Draw a red fox")
    assert "attachment" in content.headers["content-disposition"]
    history = gateway.history("menagerie")
    assert history[-1]["images"] == [{"id": data["image_url"].split("/")[3], "url": data["image_url"]}]
    assert (reply.headers["x-model"], reply.headers["x-attempts"]) == (MODEL, "1")


def test_a_picture_costs_what_it_is_sold_for_and_the_words_beside_it(gateway: Gateway) -> None:
    reply = short(gateway, "Draw a red fox")
    row = gateway.settled(reply.json()["prompt_id"])
    said = row["completion_tokens"] - 1290
    assert row["charge"] == PICTURE + row["prompt_tokens"] * INPUT + said * OUTPUT
    assert reply.headers["x-cost-usd"] == f"{row['charge'] / 10**9:.9f}"
    receipt = gateway.receipt(reply.json()["prompt_id"])
    assert (receipt["usage_source"], receipt["usage"]["completion_tokens"]) == ("provider", 1290 + said)


def test_nobody_elses_picture_is_served(gateway: Gateway) -> None:
    url = drawn(gateway, "Draw a red fox")["image_url"]
    stranger = gateway.user()
    assert requests.get(gateway.url + url, headers=stranger, timeout=10).status_code == 404
    assert requests.get(gateway.url + url, timeout=10).status_code == 401


@pytest.mark.parametrize(
    ("prompt", "query", "mode", "kind"),
    [
        ("Create a table of prices", "", None, "text"),
        ("Draw a fox", "", "text", "text"),
        ("Tell me of foxes", "", "image", "image"),
        ("Draw a fox", f"?model={GROQ}", None, "text"),
        ("Draw a fox", f"?model={GROQ}", "auto", "text"),
        ("Draw a fox", "?model=demo", None, "text"),
        ("Draw a fox", "?model=demo", "auto", "image"),
        ("Draw a fox", "?model=auto", None, "image"),
        ("Draw a fox", "?model=gemini", "image", "image"),
        ("Tell me of foxes", f"?model={MODEL}", None, "image"),
        ("Tell me of foxes", "?model=pollinations", "image", "image"),
    ],
)
def test_the_mode_says_it_or_the_prompt_does(
    gateway: Gateway, prompt: str, query: str, mode: str | None, kind: str
) -> None:
    data = drawn(gateway, prompt, query, **({"mode": mode} if mode else {}))
    assert data["type"] == kind
    assert (data["image_url"] is not None) == (kind == "image")


def test_a_model_that_draws_nothing_is_no_model_for_a_picture(gateway: Gateway) -> None:
    for name in (GROQ, "groq", "anthropic"):
        reply = short(gateway, "a fox", f"?model={name}", mode="image")
        assert (reply.status_code, reply.json()["error"]["details"]["field"]) == (400, "model")
    assert short(gateway, "a fox", "?model=nope", mode="image").status_code == 404


def test_pollinations_draws_what_gemini_cannot(gateway: Gateway, invariants: Invariants) -> None:
    gateway.behave("status-503", MODEL)
    reply = short(gateway, "Draw a red fox")
    data = reply.json()
    assert (data["provider"], data["model"], data["fallback"]) == ("pollinations", FLUX, True)
    assert gateway.get(data["image_url"]).content == png("pollinations: Draw a red fox")
    assert gateway.settled(data["prompt_id"])["charge"] == 0
    attempts = gateway.receipt(data["prompt_id"])["attempts"]
    assert [(a["provider"], a["error"], a["next"]) for a in attempts] == [
        ("gemini", "server_error", "retry"),
        ("gemini", "server_error", "next_model"),
        ("pollinations", None, None),
    ]


@pytest.mark.parametrize("fault", ["html-picture", "svg-picture", "redirect-302", "no-picture", "silent", "cut-json"])
def test_fault_8_15_what_is_no_picture_is_never_served(gateway: Gateway, fault: str) -> None:
    gateway.behave(fault, MODEL)
    gateway.behave(fault, FLUX)
    data = drawn(gateway, "Draw a red fox")
    if fault not in ("no-picture", "cut-json"):
        assert data["provider"] == "demo"
    content = gateway.get(data["image_url"])
    assert content.content.startswith(b"\x89PNG")
    assert "meta-data" not in str([entry["path"] for entry in gateway.upstream.log()])


def test_the_demo_draws_last_and_says_so(gateway: Gateway) -> None:
    gateway.behave("status-500", MODEL)
    gateway.behave("status-500", FLUX)
    data = drawn(gateway, "Draw a red fox")
    assert (data["provider"], data["fallback"]) == ("demo", True)
    assert "no provider was asked" in data["response"]


def test_what_the_providers_policy_refuses_is_refused(gateway: Gateway) -> None:
    gateway.behave("unsafe-picture", MODEL)
    reply = short(gateway, "Draw something awful")
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "content_filtered")
    assert len(gateway.upstream.log()) == 1


def test_an_image_model_streams_its_words_and_the_picture_comes_with_the_end(gateway: Gateway) -> None:
    body = {"message": "a red fox", "model": MODEL, "stream": True}
    reply = gateway.post("/llm/chat", body, stream=True)
    seen = list(events(reply))
    assert [name for name, _ in seen] == ["start", "delta", "end"]
    end = seen[-1][1]
    assert gateway.get(end["images"][0]["url"]).content == png("gemini: a red fox")
    assert (reply.headers["x-model"], end["provider"]) == (MODEL, "gemini")


def test_a_stream_tells_who_draws_instead(gateway: Gateway) -> None:
    gateway.behave("status-500", MODEL)
    seen = list(events(gateway.post("/llm/chat", {"message": "a fox", "model": MODEL, "stream": True}, stream=True)))
    assert [name for name, _ in seen] == ["start", "notice", "end"]
    assert seen[1][1]["kind"] == "failover"
    assert seen[-1][1]["provider"] == "pollinations"


def test_a_conversation_goes_on_after_a_picture(gateway: Gateway) -> None:
    gateway.behave("status-500", MODEL)
    drawn(gateway, "Draw a red fox", session_id="talk")
    answered = drawn(gateway, "Say of it what you like", session_id="talk")
    assert answered["type"] == "text"
    sent = gateway.upstream.log()[-1]["body"]["messages"]
    assert [m["content"] for m in sent[:2]] == ["Draw a red fox", "(a picture)"]
    lead = 'In the answer before this a picture was drawn, "Draw a red fox.png":'
    assert sent[2]["content"] == f"{lead}\n\n[a picture, which you cannot see]\n\nSay of it what you like"


def test_the_picture_goes_with_its_conversation(gateway: Gateway) -> None:
    url = drawn(gateway, "Draw a red fox", session_id="gone")["image_url"]
    assert gateway.http.delete(f"{gateway.url}/api/conversations/gone", timeout=10).status_code == 204
    assert gateway.get(url).status_code == 404


def test_openais_client_gets_bytes_and_nothing_is_kept(gateway: Gateway, oai: openai.OpenAI) -> None:
    before = len(oai.files.list().data)
    made = oai.images.generate(model=MODEL, prompt="A fox", n=2, size="1536x1024")
    assert made.data is not None
    assert [base64.b64decode(one.b64_json or "") for one in made.data] == [png("gemini: A fox")] * 2
    assert len(oai.files.list().data) == before
    assert made.usage is not None
    assert made.usage.output_tokens >= 2 * 1290


def test_openais_client_gets_addresses_of_this_host(gateway: Gateway, oai: openai.OpenAI) -> None:
    raw = oai.images.with_raw_response.generate(prompt="A fox", response_format="url", quality="standard", user="u1")
    made = raw.parse()
    assert made.data is not None
    url = made.data[0].url or ""
    assert url.startswith("/v1/files/")
    assert gateway.get(url).content == png("gemini: A fox")
    assert (raw.headers["x-provider"], raw.headers["x-model"]) == ("gemini", MODEL)
    assert float(raw.headers["x-cost-usd"]) > 0.0387
    row = gateway.settled(raw.headers["x-request-id"])
    assert (row["state"], row["door"]) == ("complete", "openai")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"prompt": ""}, "prompt"), ({"prompt": " "}, "prompt"), ({"prompt": 5}, "prompt"),
        ({"prompt": "x" * 32_001}, "prompt"), ({"n": 0}, "n"), ({"n": 11}, "n"), ({"n": True}, "n"),
        ({"size": "9x9"}, "size"), ({"size": "1024"}, "size"), ({"size": "99999x1"}, "size"), ({"size": 5}, "size"),
        ({"size": "1024x1024\n"}, "size"), ({"response_format": "png"}, "response_format"),
        ({"stream": True}, "stream"),
        ({"model": GROQ}, "model"), ({"base_url": "http://x"}, "base_url"), ({"api_key": "k"}, "api_key"),
        ({"service_tier": "flex"}, "service_tier"), ({"quality": 5}, "quality"),
    ],
)  # fmt: skip
def test_fault_2_08_a_wrong_wish_names_its_field(gateway: Gateway, fields: dict[str, Any], field: str) -> None:
    reply = gateway.post("/v1/images/generations", {"prompt": "A fox", **fields})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, field)
    assert gateway.upstream.log() == []


def test_an_image_model_answers_no_chat_completion(gateway: Gateway) -> None:
    reply = gateway.openai("A fox", model=MODEL)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "model")


def test_a_picture_is_paid_before_it_is_asked_for(gateway: Gateway) -> None:
    headers, key_id = key_of(gateway, PICTURE // 2)
    body = {"prompt": "A fox", "model": MODEL, "fallbacks": [MODEL]}
    reply = gateway.post("/v1/images/generations", body, headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (402, "budget_exceeded")
    assert gateway.upstream.log() == []
    assert spent(gateway, key_id) == 0


def test_money_for_three_pictures_draws_three(gateway: Gateway) -> None:
    headers, key_id = key_of(gateway, int(PICTURE * 3.4))
    body = {"prompt": "A fox", "model": MODEL, "fallbacks": [MODEL]}
    asked = [gateway.post("/v1/images/generations", body, headers=headers).status_code for _ in range(5)]
    assert asked == [200, 200, 200, 402, 402]
    assert 3 * PICTURE < spent(gateway, key_id) < 3.4 * PICTURE


def test_whoever_has_no_money_for_gemini_gets_what_costs_nothing(gateway: Gateway) -> None:
    headers, _ = key_of(gateway, PICTURE // 2)
    reply = gateway.post("/chat", {"prompt": "Draw a fox"}, headers=headers)
    assert (reply.status_code, reply.json()["provider"]) == (200, "pollinations")


def test_a_key_draws_with_its_own_models_alone(gateway: Gateway) -> None:
    person = Person(gateway.url)
    made = person.call("POST", "/api/keys", json={"name": "k", "models": ["demo"]}).json()["data"]
    headers = {"Authorization": f"Bearer {made['key']}"}
    reply = gateway.post("/chat", {"prompt": "Draw a fox"}, headers=headers)
    assert (reply.status_code, reply.json()["provider"]) == (200, "demo")
    forbidden = gateway.post("/v1/images/generations", {"prompt": "A fox", "model": MODEL}, headers=headers)
    assert forbidden.status_code == 403
    assert gateway.upstream.log() == []


def test_pictures_count_as_requests(gateway: Gateway) -> None:
    person = Person(gateway.url)
    made = person.call("POST", "/api/keys", json={"name": "k", "rpm": 2}).json()["data"]
    headers = {"Authorization": f"Bearer {made['key']}"}
    replies = [gateway.post("/v1/images/generations", {"prompt": "A"}, headers=headers) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert replies[0].headers["x-ratelimit-limit-requests"] == "2"


def test_the_same_key_of_idempotency_gets_the_same_picture(gateway: Gateway) -> None:
    headers = {"Idempotency-Key": "one picture"}
    first = gateway.post("/chat", {"prompt": "Draw a fox"}, headers=headers)
    second = gateway.post("/chat", {"prompt": "Draw a fox"}, headers=headers)
    assert first.content == second.content
    assert second.headers["idempotent-replayed"] == "true"
    assert len(gateway.upstream.log()) == 1


@pytest.mark.parametrize("prompt", ["../x", "a\u202egpj.exe", "CON", "файл 🦊", ".htaccess", "x" * 300, 'a"b\r\nX: 1'])
def test_fault_7_11_a_pictures_name_is_cleaned(gateway: Gateway, prompt: str) -> None:
    data = drawn(gateway, prompt, mode="image")
    stored = gateway.get(f"/v1/files/{data['image_url'].split('/')[3]}").json()
    assert 0 < len(stored["filename"].encode()) <= 255
    assert not set(stored["filename"]) & set("/\\\r\n\u202e\0")
    content = gateway.get(data["image_url"])
    assert content.status_code == 200
    assert content.headers["x-content-type-options"] == "nosniff"
    assert all(name.lower() != "x" for name in content.headers)


def test_no_canary_of_the_keys_is_anywhere(gateway: Gateway) -> None:
    gateway.behave("quotes-key", MODEL)
    data = drawn(gateway, "Draw a red fox")
    receipt = str(gateway.receipt(data["prompt_id"]))
    assert KEYS["gemini"] not in str(data) + receipt + gateway.logs()


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        (MODEL, ":generateContent"),
        (FLUX, "/prompt/"),
        ("whisper-large-v3-turbo", "/audio/transcriptions"),
        ("whisper-1", "/audio/transcriptions"),
        ("text-embedding-3-small", "/embeddings"),
        ("demo", None),
        ("wordllama-256", None),
    ],
)
def test_an_admins_test_asks_a_model_for_what_it_is_for(gateway: Gateway, name: str, asked: str | None) -> None:
    rows = gateway.get("/api/admin/models", params={"limit": 100}).json()["data"]["items"]
    model_id = next(row["id"] for row in rows if row["name"] == name)
    tested = gateway.post(f"/api/admin/models/{model_id}/test", {})
    assert tested.json()["data"]["ok"] is True, tested.text
    if asked is not None:
        assert asked in gateway.upstream.log()[-1]["path"]
        gateway.behave("status-401", name)
        failed = gateway.post(f"/api/admin/models/{model_id}/test", {})
        assert (failed.status_code, failed.json()["error"]["details"]["reason"]) == (500, "key_rejected")


def test_fault_9_06_what_is_drawn_while_its_conversation_is_deleted_goes_with_it(any_gateway: Gateway) -> None:
    headers = any_gateway.user()
    begun = any_gateway.post("/chat", {"prompt": "Draw a fox", "session_id": "zoo"}, headers=headers)
    assert begun.status_code == 200, begun.text
    any_gateway.upstream.forget()
    any_gateway.behave("slow-1500", MODEL)
    replies: list[requests.Response] = []

    def draw() -> None:
        body = {"prompt": "Draw a bear", "session_id": "zoo"}
        replies.append(requests.post(f"{any_gateway.url}/chat", json=body, headers=headers, timeout=20))

    drawing = threading.Thread(target=draw)
    drawing.start()
    any_gateway.upstream.wait_for(lambda log: log)
    gone = requests.delete(f"{any_gateway.url}/api/conversations/zoo", headers=headers, timeout=20)
    assert gone.status_code == 204, gone.text
    drawing.join(20)
    assert replies[0].status_code == 200, replies[0].text

    def kept() -> list[Any]:
        found: list[Any] = any_gateway.get("/files/list", headers=headers).json()["files"]
        return found

    soon(lambda: not kept(), 3, "a picture of a deleted conversation is still there")
    assert any_gateway.get(replies[0].json()["image_url"], headers=headers).status_code == 404


def test_fault_3_01_who_leaves_lets_go_of_the_one_who_draws(gateway: Gateway) -> None:
    drawn(gateway, "Draw a fox, so that the SDK is loaded")
    gateway.upstream.forget()
    gateway.behave("slow-1800", MODEL, to_leavers=True)
    headers = {"Authorization": f"Bearer {gateway.key}"}
    with pytest.raises(requests.ReadTimeout):
        requests.post(f"{gateway.url}/chat", json={"prompt": "Draw a fox"}, headers=headers, timeout=0.4)
    gateway.upstream.wait_for(lambda log: log and log[0]["left"], seconds=1.5)
    left = "SELECT * FROM requests WHERE model = :model AND state = 'client_gone'"
    rows = soon(lambda: gateway.sql(left, model=MODEL), 2.0, "no row of who left")
    assert gateway.sql("SELECT * FROM messages WHERE prompt_id = :id", id=rows[0]["prompt_id"]) == []
