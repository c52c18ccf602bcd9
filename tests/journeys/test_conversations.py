"""Conversations are kept, found, renamed, taken home and gone when they are deleted."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from tests.journeys.people import Person
from tests.journeys.server import LiveServer

BASE = "/api/conversations"


@pytest.fixture
def person(live_server: LiveServer) -> Person:
    return Person(live_server.url)


def test_a_conversation_is_listed_with_its_first_words_as_title_and_its_messages_counted(person: Person) -> None:
    first = person.chat("Which trees keep their leaves?")
    person.chat("And which do not?", conversation_id=first["conversation_id"])
    [row] = person.get(BASE).json()["data"]["items"]
    assert row["id"] == first["conversation_id"]
    assert (row["title"], row["message_count"]) == ("Which trees keep their leaves?", 4)
    assert person.get(f"{BASE}/{row['id']}").json()["data"] == row


def test_the_list_is_newest_first_and_pages_without_gaps_or_doubles(person: Person) -> None:
    begun = [person.chat(f"Talk {number}")["conversation_id"] for number in range(5)]
    person.chat("Back to the first", conversation_id=begun[0])
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        data = person.get(BASE, limit=2, **cursor).json()["data"]
        seen += [row["id"] for row in data["items"]]
        if data["next_cursor"] is None:
            break
        cursor = {"cursor": data["next_cursor"]}
    assert seen == [begun[0], *reversed(begun[1:])]


def test_search_finds_a_part_of_a_title_in_any_case(person: Person) -> None:
    person.chat("Oaks in winter")
    person.chat("Pines in summer")
    assert [row["title"] for row in person.get(BASE, q="PINE").json()["data"]["items"]] == ["Pines in summer"]


@pytest.mark.parametrize("wild", ["%", "_", "\\"])
def test_fault_2_20_a_wildcard_in_a_search_is_a_letter(person: Person, wild: str) -> None:
    person.chat("nothing special")
    marked = person.chat(f"with {wild} in it")
    found = person.get(BASE, q=wild).json()["data"]["items"]
    assert [row["id"] for row in found] == [marked["conversation_id"]]


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        (BASE, {"limit": "-1"}, "limit"),
        (BASE, {"limit": "0"}, "limit"),
        (BASE, {"limit": "101"}, "limit"),
        (BASE, {"limit": "1000000000"}, "limit"),
        (BASE, {"limit": "9" * 3000}, "limit"),
        (BASE, {"limit": "1e1"}, "limit"),
        (BASE, {"limit": "٣"}, "limit"),
        (BASE, {"cursor": "nonsense"}, "cursor"),
        (BASE, {"cursor": "2026-01-01T00:00:00+00:00_"}, "cursor"),
        (BASE, {"cursor": "\0"}, "cursor"),
        (BASE, {"q": "%" * 1000}, "q"),
        (BASE, {"q": "a\0b"}, "q"),
        ("/llm/get-conversation-history", {}, "conversation_id"),
        ("/llm/get-conversation-history", {"conversation_id": "x", "limit": "1001"}, "limit"),
        ("/llm/get-conversation-history", {"conversation_id": "x", "before": "yesterday"}, "before"),
        ("/llm/get-conversation-history", {"conversation_id": "x" * 129}, "conversation_id"),
        (f"{BASE}/x/export", {"format": "exe"}, "format"),
    ],
)
def test_fault_2_20_a_bad_query_is_400_naming_the_field(
    person: Person, path: str, query: dict[str, str], field: str
) -> None:
    reply = person.get(path, **query)
    assert (reply.status_code, reply.json()["error"]["details"]["field"]) == (400, field), reply.text


def test_a_rename_is_one_line_and_stays_when_the_talk_goes_on(person: Person) -> None:
    begun = person.chat("First words")["conversation_id"]
    reply = person.call("PATCH", f"{BASE}/{begun}", json={"title": " Trees \n and\u2028leaves 🌲 "})
    assert reply.json()["data"]["title"] == "Trees and leaves 🌲"
    person.chat("More", conversation_id=begun)
    assert person.get(f"{BASE}/{begun}").json()["data"]["title"] == "Trees and leaves 🌲"


@pytest.mark.parametrize("title", ["", "   ", "\n", "x" * 201, "x" * 100_000])
def test_a_title_that_is_empty_or_too_long_is_400(person: Person, title: str) -> None:
    begun = person.chat("First words")["conversation_id"]
    reply = person.call("PATCH", f"{BASE}/{begun}", json={"title": title})
    assert (reply.status_code, reply.json()["error"]["details"]["field"]) == (400, "title")
    assert person.get(f"{BASE}/{begun}").json()["data"]["title"] == "First words"


def test_a_deleted_conversation_is_gone_at_every_door(person: Person) -> None:
    begun = person.chat("Forget this")["conversation_id"]
    assert person.call("DELETE", f"{BASE}/{begun}").status_code == 204
    assert person.get(BASE).json()["data"]["items"] == []
    assert person.get("/sessions").json()["sessions"] == []
    for method, path in [
        ("GET", f"{BASE}/{begun}"),
        ("GET", f"{BASE}/{begun}/export"),
        ("GET", f"/llm/get-conversation-history?conversation_id={begun}"),
        ("GET", f"/history/{begun}"),
        ("DELETE", f"{BASE}/{begun}"),
    ]:
        assert person.call(method, path).status_code == 404, path
    again = person.call("POST", "/llm/chat", json={"message": "?", "model": "demo", "conversation_id": begun})
    assert again.status_code == 404


def test_history_gives_each_exchange_once_however_it_is_paged(person: Person) -> None:
    begun = person.chat("Turn 0")["conversation_id"]
    for number in range(1, 4):
        person.chat(f"Turn {number}", conversation_id=begun)
    path = "/llm/get-conversation-history"
    whole = person.get(path, conversation_id=begun).json()["data"]
    assert whole["has_more"] is False
    assert [row["role"] for row in whole["messages"]] == ["user", "assistant"] * 4
    assert [row["content"] for row in whole["messages"][::2]] == [f"Turn {number}" for number in range(4)]
    paged: list[dict[str, object]] = []
    before: dict[str, str] = {}
    while True:
        page = person.get(path, conversation_id=begun, limit=3, **before).json()["data"]
        paged = page["messages"] + paged
        if not page["has_more"]:
            break
        before = {"before": page["messages"][0]["prompt_id"]}
    assert paged == whole["messages"]


def test_an_answer_in_history_says_what_its_reply_said(person: Person) -> None:
    said = person.chat("Tell me")
    history = person.get("/llm/get-conversation-history", conversation_id=said["conversation_id"]).json()["data"]
    question, answer = history["messages"]
    assert (question["content"], question["attachments"]) == ("Tell me", [])
    assert answer["content"] == said["text"]
    for name in ("model", "provider", "prompt_id", "tokens_used", "cost", "cached", "fallback"):
        assert answer[name] == said[name], name
    assert answer["state"] == "complete"


def test_a_receipt_says_what_the_reply_said(person: Person) -> None:
    said = person.chat("Tell me")
    receipt = person.get(f"/api/requests/{said['prompt_id']}").json()["data"]
    for name in ("prompt_id", "model", "provider", "cost", "cached", "fallback", "usage"):
        assert receipt[name] == said[name], name
    assert receipt["state"] == "complete"
    [attempt] = receipt["attempts"]
    assert (attempt["model"], attempt["status"] in (None, 200), attempt["error"]) == (said["model"], True, None)


def test_a_session_begun_at_the_short_door_is_a_conversation_at_the_others(person: Person) -> None:
    said = person.call("POST", "/chat?model=demo", json={"prompt": "Hello", "session_id": "montag früh"})
    assert said.json()["session_id"] == "montag früh"
    person.chat("And again", conversation_id="montag früh")
    [session] = person.get("/sessions").json()["sessions"]
    assert (session["session_id"], session["messages"]) == ("montag früh", 4)
    history = person.get("/history/montag früh").json()
    assert [row["prompt"] for row in history["history"]] == ["Hello", "And again"]
    assert history["history"][0]["response"] == said.json()["response"]


def test_an_export_is_a_file_with_all_that_was_said(person: Person) -> None:
    begun = person.chat("What is <script>alert(1)</script>?")["conversation_id"]
    person.chat("# Not a heading of ours", conversation_id=begun)
    markdown = person.get(f"{BASE}/{begun}/export", format="md")
    assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
    assert markdown.headers["x-content-type-options"] == "nosniff"
    assert markdown.headers["content-disposition"].startswith("attachment; ")
    assert "\n# Not a heading of ours\n" in markdown.text
    as_json = person.get(f"{BASE}/{begun}/export", format="json").json()
    history = person.get("/llm/get-conversation-history", conversation_id=begun).json()["data"]
    assert as_json["messages"] == history["messages"]


TITLES = [
    "a\r\nX: 1",
    "модель",
    "x" * 190,
    "🌲" * 60,
    '"; filename="evil.exe',
    "../../etc/passwd",
    "CON",
    "a\u202egpj.exe",
]


@pytest.mark.parametrize("title", TITLES)
def test_fault_3_12_a_title_cannot_break_the_headers_of_its_file(person: Person, title: str) -> None:
    begun = person.chat("First words")["conversation_id"]
    assert person.call("PATCH", f"{BASE}/{begun}", json={"title": title}).status_code == 200
    sent = person.get(f"{BASE}/{begun}/export").headers
    disposition = sent["content-disposition"]
    assert disposition.isascii()
    assert len(disposition) <= 256
    assert "X" not in sent
    match = re.fullmatch(r"attachment; filename=\"([A-Za-z0-9._-]+\.md)\"; filename\*=UTF-8''(\S+)", disposition)
    assert match, disposition
    for name in (match[1], unquote(match[2])):
        assert not re.search(r"[/\\\u202e\r\n\"]", name)
        assert not name.upper().startswith("CON.")
