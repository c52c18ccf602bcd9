"""What else an answer can bring along: pictures, reasoning, sources, a hit of the cache, what is remembered."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.conftest import Visit
from tests.e2e.visitor import Visitor
from tests.journeys.gateway import GROQ, Gateway, soon


def test_a_drawn_picture_is_shown_in_the_answer_and_again_after_a_reload(me: Visitor, gateway: Gateway) -> None:
    me.model("gemini-2.5-flash-image")
    me.ask("Draw a red door")
    for _ in range(2):
        picture = me.last.locator(".answer .picture img")
        expect(picture).to_have_js_property("complete", True)
        expect(picture).not_to_have_js_property("naturalWidth", 0)
        assert picture.evaluate("picture => picture.src").startswith("blob:")
        me.page.reload()
        expect(me.last).to_be_visible()


def test_reasoning_is_folded_away_until_it_is_wanted(me: Visitor, gateway: Gateway) -> None:
    gateway.behave("reasoning")
    me.model(GROQ)
    answer = me.ask("think")
    thought = answer.locator(".reasoning .typed")
    expect(thought).to_be_hidden()
    answer.locator(".reasoning summary").click()
    expect(thought).to_contain_text("think about it")


def test_an_equal_question_is_answered_from_the_cache_and_says_so_unless_that_is_not_wanted(
    visit: Visit, gateway: Gateway
) -> None:
    me = visit(fenced=False)  # behind a fence the browser asks for everything anew, and says so
    me.register()
    me.model(GROQ)
    question = f"Is {me.name} the same?"
    for cached in (False, True):
        me.page.get_by_role("link", name="New chat").click()
        expect(me.page.locator(".welcome")).to_be_visible()
        answer = me.ask(question)
        expect(answer.locator(".facts .tag", has_text="cached")).to_have_count(int(cached))
    expect(answer.locator(".facts")).to_contain_text("$0")
    me.page.get_by_role("link", name="New chat").click()
    expect(me.page.locator(".welcome")).to_be_visible()
    me.page.get_by_role("button", name="Options").click()
    me.page.get_by_label("Ignore the cache").check()
    me.page.keyboard.press("Escape")
    expect(me.ask(question).locator(".facts .tag", has_text="cached")).to_have_count(0)


def test_what_is_remembered_is_seen_and_forgotten(me: Visitor, gateway: Gateway) -> None:
    me.model(GROQ)
    me.ask("My cat is called Turnip")
    headers = {"Authorization": me.bearer()}
    soon(lambda: gateway.get("/api/memory", headers=headers).json()["data"]["items"], 10)  # it is written afterwards
    memories = me.page.locator(".memories li")
    me.go("/app/settings/memory")
    expect(memories).to_have_count(1)
    expect(memories).to_contain_text("My cat is called Turnip")
    memories.get_by_role("button", name="Forget").click()
    me.page.get_by_role("dialog").get_by_role("button", name="Forget").click()
    expect(memories).to_have_count(0)


@pytest.mark.parametrize(
    ("switch", "field", "value"), [("Search", "web_search", True), ("Memory", "memory", True)], ids=["search", "memory"]
)
def test_a_switch_is_part_of_the_question_and_stays_as_it_was_left(
    switch: str, field: str, value: Any, me: Visitor
) -> None:
    me.page.get_by_role("switch", name=switch).click()
    me.page.reload()
    expect(me.page.get_by_role("switch", name=switch)).to_have_attribute("aria-checked", "true")
    with me.page.expect_request("**/llm/chat") as asked:
        me.type("look it up")
    assert asked.value.post_data_json[field] == value
    key = asked.value.headers["idempotency-key"]
    assert re.fullmatch("[0-9a-f]{32}", key)
    with me.page.expect_request("**/llm/chat") as next_one:
        expect(me.last.locator(".facts")).to_be_visible()
        me.type("look it up")
    assert next_one.value.headers["idempotency-key"] != key


def test_sources_are_named_with_their_host_or_page_and_nothing_of_them_is_fetched(me: Visitor) -> None:
    sources = [
        {"title": "Doors <b>of</b> the world", "url": "https://evil.example/doors", "text": "A door is a door."},
        {"file": "handbook.pdf", "page": 12, "text": "Hinges"},
        {"title": "bad", "url": "javascript:alert(1)", "text": ""},
    ]
    prompt = "01a1fe7c-fd55-7522-b404-82245d7bd536"
    facts = {
        "model": "m",
        "provider": "p",
        "latency_ms": 5,
        "tokens_used": 3,
        "cost": 0,
        "cached": False,
        "fallback": False,
    }
    end = {**facts, "text": "See there.", "prompt_id": prompt, "sources": sources, "images": [], "reasoning": None}
    events = [("start", {"conversation_id": "c1", "prompt_id": prompt, "model": "m"}), ("end", end)]
    body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)

    def answer(route: Route) -> None:
        route.fulfill(status=200, content_type="text/event-stream", body=body)

    me.page.route("**/llm/chat", answer)
    me.type("where?")
    shown = me.last.locator(".sources li")
    expect(shown).to_have_count(3)
    expect(shown.nth(0).get_by_role("link")).to_have_text("Doors <b>of</b> the world")
    expect(shown.nth(0)).to_contain_text("evil.example")
    expect(shown.nth(1)).to_contain_text("handbook.pdf · page 12")
    expect(shown.nth(2).get_by_role("link")).to_have_count(0)


def test_the_administration_shows_what_the_routing_believes_and_takes_a_configuration(
    admin: Visitor, gateway: Gateway
) -> None:
    admin.go("/app/admin/routing")
    table = admin.page.get_by_role("region", name="Beliefs for code")
    expect(table.get_by_role("row").nth(1)).to_contain_text("%")
    admin.go("/app/admin/config")
    field = admin.page.get_by_label("YAML")
    expect(field).to_have_value(re.compile("version: 1"))
    with admin.page.expect_download() as told:
        admin.page.get_by_role("button", name="Download").click()
    assert told.value.suggested_filename == "onedoor.yaml"
    field.fill("version: 1\nbudget: {amount: 5, period: nonsense}\n")
    admin.page.get_by_role("button", name="Use this configuration").click()
    expect(admin.page.get_by_role("alert")).to_contain_text("budget")
    field.fill("version: 1\nbudget: {amount: 500, period: month}\n")
    admin.page.get_by_role("button", name="Use this configuration").click()
    admin.toast("It is in use")
    admin.go("/app/admin/budget")
    expect(admin.page.get_by_text("of $500.00 a month")).to_be_visible()
    admin.page.get_by_label("Budget (USD)").fill("")
    admin.page.get_by_role("button", name="Save").click()
    admin.toast("Saved")
