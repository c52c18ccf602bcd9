"""By keyboard, by screen reader, on a phone, in the dark. axe-core looks at each view in both themes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import ADMIN_PASSWORD, Visit
from tests.e2e.visitor import Visitor
from tests.journeys.gateway import GROQ, Gateway

AXE = (Path(__file__).with_name("vendor") / "axe.min.js").read_text()
ANSWER = (
    "# Doors\n\nSome `code`, a [link](https://example.com), **bold**.\n\n```python\nx = 1  # one\n```\n\n"
    "| a | b |\n| - | - |\n| 1 | 2 |\n\n> quoted\n\n- [x] done"
)
VIEWS = [
    "/app/templates",
    "/app/files",
    "/app/analytics",
    "/app/settings/profile",
    "/app/settings/keys",
    "/app/settings/memory",
    "/app/admin/models",
    "/app/admin/provider-keys",
    "/app/admin/users",
    "/app/admin/keys",
    "/app/admin/budget",
    "/app/admin/routing",
    "/app/admin/audit",
    "/app/admin/config",
]


def faults(page: Page) -> list[str]:
    """What axe-core calls serious or critical."""
    page.evaluate(AXE)
    found: list[dict[str, Any]] = page.evaluate("async () => (await axe.run()).violations")
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


@pytest.fixture(params=["light", "dark"])
def themed(request: pytest.FixtureRequest, visit: Visit) -> Visitor:
    visitor: Visitor = visit(color_scheme=request.param, reduced_motion="reduce")
    return visitor


def test_no_view_has_a_serious_fault_in_either_theme(themed: Visitor, gateway: Gateway) -> None:
    page = themed.page
    themed.go("/")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert faults(page) == []
    themed.go("/app/register")
    expect(page.get_by_label("E-mail")).to_be_visible()
    assert faults(page) == []
    themed.sign_in("admin", ADMIN_PASSWORD)
    assert faults(page) == []
    gateway.behave("echo")
    themed.model(GROQ)
    themed.ask(ANSWER)
    expect(page.locator("code.hljs")).to_be_visible()
    assert faults(page) == []
    for view in VIEWS:
        themed.go(view)
        expect(page.locator(".view-body")).to_be_visible()
        expect(page.locator(".skeleton")).to_have_count(0)
        assert faults(page) == [], view


def test_no_dialog_menu_or_picker_has_a_serious_fault_in_either_theme(themed: Visitor, gateway: Gateway) -> None:
    page = themed.page
    themed.sign_in("admin", ADMIN_PASSWORD)
    themed.model(GROQ)
    answer = themed.ask("hello")

    def opened(by: str, role: str = "dialog", *, place: Any = page) -> None:
        place.get_by_role("button", name=re.compile(by)).first.click()
        expect(page.get_by_role(role).first).to_be_visible()
        expect(page.locator(".skeleton")).to_have_count(0)
        assert faults(page) == [], by
        page.keyboard.press("Escape")
        expect(page.get_by_role(role)).to_have_count(0)

    opened("^Model: ")
    opened("^Options")
    opened("^Use a template")
    opened("^Account and theme", "menu")
    opened("^Conversation actions", "menu")
    opened("^Receipt of this answer", place=answer)
    opened("^Rate with stars", place=answer)
    opened("^Answer again", place=answer)
    themed.go("/app/admin/models")
    opened("^Add a model")
    themed.go("/app/settings/keys")
    opened("^New key")
    themed.go("/app/templates")
    opened("^New template")


@pytest.mark.parametrize(
    "path", ["/", "/app/analytics", "/app/admin/models", "/app/settings/profile", "/app/templates"]
)
def test_a_phone_shows_every_view_without_scrolling_sideways(path: str, visit: Visit) -> None:
    visitor = visit(viewport={"width": 360, "height": 720}, has_touch=True, is_mobile=True)
    visitor.sign_in("admin", ADMIN_PASSWORD)
    visitor.ask("a question with averyveryveryveryveryveryveryveryveryveryverylongword in it " * 3)
    visitor.go(path)
    expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()
    assert visitor.page.evaluate("visualViewport.width >= document.documentElement.scrollWidth")
    assert faults(visitor.page) == []
    visitor.page.get_by_role("button", name="Open the side bar").click()
    expect(visitor.page.get_by_role("link", name="New chat")).to_be_in_viewport()
    expect(visitor.page.get_by_role("button", name="Account and theme")).to_be_in_viewport()
    visitor.page.keyboard.press("Escape")
    expect(visitor.page.get_by_role("link", name="New chat")).not_to_be_in_viewport()


def test_everything_of_a_chat_is_done_by_keyboard(visit: Visit, gateway: Gateway) -> None:
    visitor = visit()
    page = visitor.page
    visitor.go("/app/register")
    expect(page.get_by_label("User name")).to_be_focused()
    for text in (f"k{gateway.stored()['requests']}keys", f"k{gateway.stored()['requests']}@example.com", "Passw0rd-x"):
        page.keyboard.type(text)
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    visitor.is_in()
    expect(page.get_by_label("Message", exact=True)).to_be_focused()
    page.keyboard.type("one line")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("and another")
    page.keyboard.press("Enter")
    expect(visitor.last.locator(".facts")).to_be_visible()
    expect(visitor.last.locator(".typed")).to_have_text("one line\nand another")
    page.get_by_role("button", name="Conversation actions").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Export as Markdown")).to_be_focused()
    page.keyboard.press("End")
    expect(page.get_by_role("menuitem", name="Delete")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Conversation actions")).to_be_focused()
    page.get_by_role("button", name=re.compile("^Model: ")).focus()
    page.keyboard.press("Enter")
    page.keyboard.type(GROQ)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=f"Model: {GROQ}")).to_be_focused()
    first = "document.querySelector('a[href], button, input').textContent"
    assert page.evaluate(first) == "Skip to the content"
    page.get_by_role("link", name="Skip to the content").focus()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()


def test_a_screen_reader_hears_an_answer_by_paragraphs(me: Visitor, gateway: Gateway) -> None:
    gateway.behave("echo")
    me.model(GROQ)
    me.ask("First paragraph.\n\nSecond paragraph.\n\nThird.")
    region = me.page.get_by_role("log", name="answer")
    expect(region).to_have_attribute("aria-live", "polite")
    paragraphs = ["First paragraph.", "Second paragraph.", "Third."]
    expect(region.locator("p")).to_have_text(["The answer is being written.", *paragraphs, "The answer is complete."])


def test_the_theme_that_was_chosen_stays(me: Visitor) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = me.page.evaluate(ground)
    me.page.get_by_role("button", name="Account and theme").click()
    me.page.get_by_role("menuitemradio", name="Theme: dark").click()
    dark = me.page.evaluate(ground)
    assert dark != light
    me.page.reload()
    me.is_in()
    assert me.page.evaluate(ground) == dark


def test_an_unavailable_model_is_shown_with_the_reason_and_cannot_be_chosen(me: Visitor) -> None:
    me.page.get_by_role("button", name=re.compile("^Model: ")).click()
    off = me.page.get_by_role("option", name=re.compile("grok-4"))
    expect(off).to_have_attribute("aria-disabled", "true")
    expect(off).to_contain_text("Not available: no key: set GROK_API_KEY")
    off.click(force=True)
    expect(me.page.get_by_role("combobox", name="Model")).to_be_visible()
