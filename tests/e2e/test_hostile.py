"""Hostile answers, names and events: rooms 10.1 to 10.3 and 10.5 of the fault list."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.attacks import ATTACKS, EVIL, harm
from tests.e2e.conftest import Visit, stretched
from tests.e2e.visitor import Visitor
from tests.journeys.gateway import GROQ, Gateway

NASTY = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@pytest.fixture
def echoed(me: Visitor, gateway: Gateway) -> Visitor:
    """A person whose model says what it is told to."""
    gateway.behave("echo")
    me.model(GROQ)
    me.under_attack = True
    return me


@pytest.fixture(scope="module")
def attacked(signed_in: Visitor) -> Visitor:
    signed_in.under_attack = True
    return signed_in


def test_fault_10_01_hostile_answers_do_nothing_as_they_come_and_as_they_are_kept(echoed: Visitor) -> None:
    for attack in ATTACKS.values():
        echoed.ask(attack)
        assert harm(echoed.page) == []
    echoed.page.reload()
    expect(echoed.exchanges).to_have_count(20)  # the newest forty messages
    echoed.exchanges.first.scroll_into_view_if_needed()
    expect(echoed.exchanges).to_have_count(len(ATTACKS))
    for n in range(len(ATTACKS)):
        echoed.exchanges.nth(n).scroll_into_view_if_needed()
        expect(echoed.exchanges.nth(n).locator(".prose:not(.unread)")).to_be_attached()
    assert harm(echoed.page) == []


#: Draws a text cut at each place as it would be drawn while it grows, in the page, where pictures load and scripts run.
AT_EACH_CUT = """async (text) => {
  const base = document.getElementById("page").dataset.static;
  const { Cutter } = await import(base + "/app/text/blocks.js");
  const { blockOf } = await import(base + "/app/text/markdown.js");
  const box = document.createElement("div");
  box.className = "prose";
  document.body.append(box);
  for (let end = 1; end <= text.length; end++) {
    const cutter = new Cutter();
    box.replaceChildren(...cutter.push(text.slice(0, end)).map((block) => blockOf(block)), blockOf(cutter.rest));
    const banned = "script, iframe, svg, math, form, base, meta, link, style, [onerror], [onload], [id]";
    const bad = box.querySelector(banned);
    if (bad) return bad.outerHTML;
  }
  return "";
}"""


@pytest.mark.parametrize("name", ATTACKS)
def test_fault_10_01_a_hostile_answer_cut_anywhere_does_nothing(name: str, attacked: Visitor) -> None:
    assert attacked.page.evaluate(AT_EACH_CUT, ATTACKS[name]) == ""
    assert harm(attacked.page) == []


#: How long one block takes to draw, in milliseconds, and what of its text is there.
DRAW = """async (text) => {
  const base = document.getElementById("page").dataset.static;
  const { blockOf } = await import(base + "/app/text/markdown.js");
  const begun = performance.now();
  const drawn = blockOf(text);
  return [performance.now() - begun, drawn.textContent.length];
}"""


@pytest.mark.parametrize(
    "deep", [">", "> ", "- ", "* ", "[", "![", "**", "*a_", "`", "<b>", "(((", "\\", "1. ", "~~", "&", "<!--"]
)
def test_fault_10_01_nothing_is_nested_so_deep_that_the_page_stands_still(deep: str, attacked: Visitor) -> None:
    took, letters = attacked.page.evaluate(DRAW, deep * 10_000 + "x")
    assert took < 200 * stretched()
    assert letters


def test_fault_10_01_names_that_others_chose_are_text_wherever_they_are_shown(visit: Visit, gateway: Gateway) -> None:
    visitor = visit()
    visitor.under_attack = True
    visitor.register(f"<b onclick=alert(1)>{gateway.stored()['requests']}")
    expect(visitor.page.locator(".person-name")).to_contain_text("<b onclick=alert(1)>")
    body = {
        "name": NASTY,
        "provider": "corp",
        "base_url": f"{gateway.upstream.url}/v1",
        "api_key": "k",
        "verify": False,
    }
    gateway.post("/api/admin/models", body)
    visitor.model("onerror")
    answer = visitor.ask(NASTY)
    expect(answer.locator(".facts")).to_contain_text("<img src=x")
    expect(visitor.page.get_by_role("heading", level=1)).to_contain_text("<img src=x")
    answer.locator(".facts").click()
    expect(visitor.page.get_by_role("dialog")).to_contain_text("<script>")
    visitor.page.keyboard.press("Escape")
    visitor.page.get_by_test_id("attach").set_input_files(
        {"name": '"><img src=x onerror=alert(1)>.txt', "mimeType": "text/plain", "buffer": NASTY.encode()}
    )
    expect(visitor.page.locator(".chip.there")).to_contain_text("onerror")
    visitor.go("/app/files")
    visitor.page.get_by_role("row").nth(1).get_by_role("button").first.click()
    expect(visitor.page.locator(".file-text")).to_contain_text("<script>")
    visitor.go("/app/templates")
    headers = {"Authorization": visitor.bearer()}
    made = {
        "name": NASTY,
        "category": NASTY,
        "content": f"{NASTY} {{{{a}}}}",
        "variables": [{"name": "a", "type": "string", "default": NASTY}],
    }
    assert gateway.post("/api/templates", made, headers=headers).status_code == 201
    visitor.page.reload()
    card = visitor.page.locator(".card", has_text="onerror")
    card.get_by_role("button", name="Use").click()
    expect(visitor.page.locator(".preview")).to_contain_text("<script>alert(2)</script>")
    for path in ("/app/analytics", "/app/settings/profile"):
        visitor.go(path)
        expect(visitor.page.locator(".view-body")).to_contain_text(re.compile("img src|onclick"))
    assert harm(visitor.page) == []


def test_fault_10_02_links_open_on_a_click_without_a_word_of_where_they_were(echoed: Visitor) -> None:
    answer = echoed.ask(f"[go](https://{EVIL}/page) <https://{EVIL}/auto> ![pic](https://{EVIL}/?q=1)")
    assert echoed.strangers == []
    expect(answer.locator(".prose")).to_contain_text(f"[picture pic at {EVIL}, not loaded]")
    link = answer.get_by_role("link", name="go")
    assert set(link.get_attribute("rel").split()) >= {"noopener", "noreferrer"}
    with echoed.context.expect_page() as opened:
        link.click()
    assert opened.value.evaluate("window.opener") is None
    assert echoed.strangers == [f"https://{EVIL}/page"]
    echoed.strangers.clear()


def test_fault_10_03_events_outside_of_the_contract_are_passed_over_and_errors_are_text(me: Visitor) -> None:
    events = [
        ("start", {"conversation_id": "c1", "prompt_id": "01a1fe7c-fd55-7522-b404-82245d7bd536", "model": NASTY}),
        ("execute", {"code": "alert(1)"}),
        ("__proto__", {"text": "x"}),
        ("constructor", {"text": "x"}),
        ("delta", {"text": "Hello"}),
        ("delta", {"text": 5}),
        ("delta", ["text"]),
        ("notice", {"kind": "<b>", "message": NASTY}),
        ("navigate", {"url": f"https://{EVIL}"}),
        ("error", {"code": NASTY, "message": NASTY, "details": {}}),
    ]
    body = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    body = "data: no name\n\nevent: delta\ndata: {broken\n\n: comment\n\n" + body

    def answer(route: Route) -> None:
        route.fulfill(status=200, content_type="text/event-stream", body=body)

    me.under_attack = True
    me.page.route("**/llm/chat", answer)
    me.type("go")
    expect(me.last.locator(".prose")).to_have_text("Hello")
    expect(me.last.locator(".ending")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(me.last.locator(".notice-line")).to_contain_text("<script>")
    assert harm(me.page) == []


def test_fault_10_05_no_token_is_anywhere_but_in_memory(visit: Visit) -> None:
    visitor = visit()
    tokens: list[str] = []
    heard = "window.heard = []; addEventListener('message', (event) => window.heard.push(JSON.stringify(event.data)))"
    visitor.context.add_init_script(heard)
    visitor.page.on("response", lambda reply: tokens.extend(_tokens(reply)))
    visitor.register()
    visitor.ask("hello")
    visitor.page.reload()
    visitor.is_in()
    refresh = next(cookie for cookie in visitor.context.cookies() if cookie["name"] == "refresh_token")
    assert refresh["httpOnly"]
    assert refresh["sameSite"] == "Strict"
    assert refresh["path"] == "/api/auth"
    assert len(tokens) >= 2
    places = visitor.page.evaluate(
        "() => JSON.stringify([{...localStorage}, {...sessionStorage}, location.href, history.state, document.cookie, "
        "document.documentElement.outerHTML, window.name, window.heard])"
    )
    for secret in (*tokens, refresh["value"]):
        assert secret not in places
        assert all(secret not in line for line in visitor.said)


def test_fault_10_05_words_of_a_foreign_origin_are_not_listened_to(me: Visitor) -> None:
    me.page.evaluate("window.postMessage({ kind: 'signed-out' }, '*')")
    me.page.evaluate("window.postMessage('signed-out', '*')")
    me.ask("still here?")


def test_fault_10_05_after_signing_out_the_back_button_shows_nothing(me: Visitor) -> None:
    me.ask("my secret question")
    me.go("/app/analytics")
    me.page.get_by_role("link", name="Settings").click()
    me.sign_out()
    for _ in range(2):
        me.page.go_back()
        expect(me.page.get_by_role("button", name="Sign in")).to_be_visible()
        assert "secret question" not in me.page.content()
    me.page.goto("about:blank")
    me.page.go_back()
    expect(me.page.get_by_role("button", name="Sign in")).to_be_visible()


def test_fault_10_05_a_sign_out_reaches_the_other_tabs(me: Visitor) -> None:
    other = me.tab()
    other.goto(me.url)
    expect(other.locator(".composer")).to_be_visible()
    me.sign_out()
    expect(other.get_by_text("You signed out in another tab.")).to_be_visible()


def _tokens(reply: object) -> list[str]:
    if "/api/auth/" not in reply.url or not reply.ok or reply.status == 204:
        return []
    return [reply.json()["data"]["access_token"]]
