"""What a person does with the page, from the first visit on; every step is seen at the server as well."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import ADMIN_PASSWORD, Visit
from tests.e2e.pictures import PNG
from tests.e2e.visitor import Visitor
from tests.journeys.gateway import GEMINI, GROQ, Gateway


def test_register_chat_and_find_the_conversation_again(visit: Visit, gateway: Gateway) -> None:
    visitor = visit()
    visitor.register()
    gateway.behave("tick-150")
    visitor.model(GROQ)
    visitor.type("Where is the door?")
    growing = visitor.last.locator(".prose")
    expect(growing).to_contain_text("Answer to")
    expect(visitor.page.get_by_role("button", name="Stop")).to_be_visible()  # it was seen while it grew
    expect(growing).to_contain_text("Answer to: Where is the door?")
    facts = visitor.last.locator(".facts")
    expect(facts).to_contain_text(GROQ)
    expect(facts).to_contain_text("groq")
    expect(facts).to_contain_text("tokens")
    conversation = visitor.conversation_id()
    visitor.page.reload()
    expect(visitor.exchanges).to_have_count(1)
    expect(visitor.last.locator(".prose")).to_contain_text("Answer to: Where is the door?")
    listed = visitor.page.get_by_role("navigation", name="Conversations").get_by_role("link")
    expect(listed).to_have_attribute("href", f"/c/{conversation}")
    visitor.go("/")
    listed.click()
    expect(visitor.last).to_contain_text("Where is the door?")


def test_a_wrong_password_and_a_taken_name_are_told_beside_their_field(visit: Visit, gateway: Gateway) -> None:
    visitor = visit()
    visitor.go("/")
    visitor.page.get_by_label("User name or e-mail").fill("admin")
    visitor.page.get_by_label("Password").fill("wrong")
    visitor.page.get_by_role("button", name="Sign in").click()
    expect(visitor.page.get_by_role("alert")).to_be_visible()
    visitor.page.get_by_role("link", name="Register").click()
    visitor.page.get_by_label("User name").fill("someone")
    visitor.page.get_by_label("E-mail").fill("someone@example.com")
    visitor.page.get_by_label("Password").fill("short")
    visitor.page.get_by_role("button", name="Register").click()
    expect(visitor.page.get_by_label("Password")).to_have_attribute("aria-invalid", "true")


def test_markdown_code_and_tables_are_drawn_and_code_is_copied(me: Visitor, gateway: Gateway) -> None:
    gateway.behave("echo")
    me.model(GROQ)
    me.context.grant_permissions(["clipboard-read", "clipboard-write"])
    answer = me.ask("# Title\n\n```python\nprint('hi')\n```\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n- [x] done\n")
    expect(answer.locator(".prose h1")).to_have_text("Title")
    expect(answer.locator(".prose td")).to_have_count(2)
    expect(answer.locator(".prose input[type=checkbox]")).to_be_checked()
    expect(answer.locator("code.hljs .hljs-string")).to_have_text("'hi'")
    answer.get_by_role("button", name="Copy code").click()
    assert me.page.evaluate("navigator.clipboard.readText()") == "print('hi')\n"


def test_stop_keeps_what_came_and_says_so(me: Visitor, gateway: Gateway) -> None:
    gateway.behave("chunks-400+tick-20")
    me.model(GROQ)
    me.type("Go on for ever")
    expect(me.last.locator(".prose")).to_contain_text("token")
    me.page.get_by_role("button", name="Stop").click()
    expect(me.last.locator(".ending")).to_contain_text("you stopped it")
    expect(me.last).to_have_attribute("data-state", "client_gone")
    me.page.reload()
    expect(me.last.locator(".ending")).to_contain_text("you stopped it")
    gateway.behave("healthy")
    me.last.get_by_role("button", name="Ask again").click()
    expect(me.last.locator(".prose")).to_contain_text("Answer to: Go on for ever")
    expect(me.exchanges).to_have_count(1)


def test_another_model_answers_again_and_an_edited_question_replaces_what_followed(
    me: Visitor, gateway: Gateway
) -> None:
    me.model(GROQ)
    me.ask("one")
    me.ask("two")
    me.exchanges.nth(1).get_by_role("button", name="Answer again with another model").click()
    me.page.get_by_role("combobox", name="Answer again with…").fill(GEMINI)
    me.page.keyboard.press("Enter")
    expect(me.exchanges.nth(1).locator(".facts")).to_contain_text(GEMINI)
    expect(me.exchanges).to_have_count(2)
    first = me.exchanges.nth(0)
    first.hover()
    first.get_by_role("button", name="Edit question").click()
    me.page.get_by_role("textbox", name="Edit question").fill("uno")
    me.page.get_by_role("button", name="Send again").click()
    expect(me.exchanges).to_have_count(1)
    expect(me.last.locator(".prose")).to_contain_text("Answer to: uno")
    me.page.reload()
    expect(me.exchanges).to_have_count(1)
    expect(me.last.locator(".typed")).to_have_text("uno")


def test_a_picture_is_attached_by_picking_pasting_and_dropping(me: Visitor, gateway: Gateway, tmp_path: Path) -> None:
    picture = tmp_path / "door.png"
    picture.write_bytes(PNG)
    me.page.get_by_test_id("attach").set_input_files(picture)
    chip = me.page.locator(".chip.there")
    expect(chip).to_contain_text("door.png")
    for how in ("paste", "drop"):
        me.page.evaluate(GIVE_FILE, [how, list(picture.read_bytes()), f"{how}.png"])
    expect(chip).to_have_count(3)
    chip.filter(has_text="paste.png").get_by_role("button").click()
    expect(chip).to_have_count(2)
    me.type("What do you see?")
    expect(me.last.locator(".prose")).to_contain_text("I see 2 picture(s)")
    expect(me.last.locator(".attached li")).to_have_count(2)
    me.go("/app/files")
    expect(me.page.get_by_role("row", name=re.compile("door.png"))).to_be_visible()
    me.page.get_by_role("button", name="door.png", exact=True).click()
    shown = me.page.get_by_role("dialog").locator("img")
    expect(shown).to_have_js_property("naturalWidth", 48)
    me.page.keyboard.press("Escape")
    me.page.get_by_role("button", name="Delete drop.png").click()
    me.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(me.page.get_by_role("row", name=re.compile("drop.png"))).to_have_count(0)


GIVE_FILE = """([how, bytes, name]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
  if (how === "paste") {
    const field = document.querySelector(".composer textarea");
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  } else {
    document.body.dispatchEvent(new DragEvent("dragover", { dataTransfer: data, bubbles: true, cancelable: true }));
    document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
  }
}"""


def test_an_answer_is_rated_by_thumb_by_stars_and_with_a_comment(me: Visitor, gateway: Gateway) -> None:
    me.model(GROQ)
    answer = me.ask("Was this good?")
    answer.get_by_role("button", name="Good answer").click()
    me.toast("Thanks")
    expect(answer.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")
    answer.get_by_role("button", name="Rate with stars").click()
    dialog = me.page.get_by_role("dialog")
    dialog.get_by_role("radio", name="2 of 5").check(force=True)
    dialog.get_by_label("Comment").fill("Too short")
    dialog.get_by_role("button", name="Send rating").click()
    expect(answer.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "true")
    rows = gateway.sql("SELECT rating, feedback FROM ratings WHERE feedback = 'Too short'")
    assert [(row["rating"], row["feedback"]) for row in rows] == [(2, "Too short")]
    me.page.reload()
    expect(me.last.locator(".stars-button")).to_contain_text("2 of 5")


def test_the_receipt_tells_each_attempt(me: Visitor, gateway: Gateway) -> None:
    gateway.behave("status-500")
    me.model("auto")
    answer = me.ask("Who is there?")
    expect(answer.locator(".facts .tag.warn")).to_have_text("fallback")
    answer.locator(".facts").click()
    attempts = me.page.get_by_role("dialog").locator(".attempts li")
    expect(attempts.first).to_contain_text("server error")
    expect(attempts.last).to_contain_text("answered")
    me.page.keyboard.press("Escape")
    expect(me.page.get_by_role("dialog")).to_have_count(0)
    expect(answer.locator(".facts")).to_be_focused()


def test_a_conversation_is_renamed_found_exported_and_deleted(me: Visitor, gateway: Gateway) -> None:
    me.model(GROQ)
    me.ask("A question about doors")
    me.page.get_by_role("button", name="Conversation actions").click()
    me.page.get_by_role("menuitem", name="Rename").click()
    me.page.get_by_role("dialog").get_by_label("Title").fill("Doors & <hinges>")
    me.page.get_by_role("dialog").get_by_role("button", name="Save").click()
    listed = me.page.get_by_role("navigation", name="Conversations").get_by_role("link")
    expect(listed).to_have_text("Doors & <hinges>")
    expect(me.page.get_by_role("heading", level=1)).to_have_text("Doors & <hinges>")
    me.page.get_by_label("Search conversations").fill("nothing like it")
    expect(listed).to_have_count(0)
    me.page.get_by_label("Search conversations").fill("HINGES")
    expect(listed).to_have_count(1)
    for item, ending in (("Export as Markdown", "md"), ("Export as JSON", "json")):
        me.page.get_by_role("button", name="Conversation actions").click()
        with me.page.expect_download() as told:
            me.page.get_by_role("menuitem", name=item).click()
        assert told.value.suggested_filename == f"Doors  hinges.{ending}"
        text = Path(told.value.path()).read_text()
        assert "A question about doors" in text
        if ending == "json":
            json.loads(text)
    me.page.get_by_role("button", name="Conversation actions").click()
    me.page.get_by_role("menuitem", name="Delete").click()
    me.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(listed).to_have_count(0)
    expect(me.page.locator(".welcome")).to_be_visible()


def test_a_template_is_made_filled_in_and_sent(me: Visitor, gateway: Gateway) -> None:
    me.go("/app/templates")
    me.page.get_by_role("button", name="New template").click()
    dialog = me.page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("Compare two")
    dialog.get_by_label("Category").fill("Thinking")
    dialog.get_by_label("Text", exact=True).fill("Compare {{first}} with {{second}} in {{words}} words.")
    words = dialog.get_by_role("group", name="words")
    words.get_by_label("Type").select_option("number")
    words.get_by_label("Unless filled in").fill("50")
    dialog.get_by_role("button", name="Save").click()
    me.page.get_by_role("button", name="Thinking").click()
    card = me.page.locator(".card", has_text="Compare two")
    card.get_by_role("button", name="Use").click()
    dialog.get_by_label("first").fill("oak")
    dialog.get_by_label("second").fill("{{steel}}")
    expect(dialog.locator(".preview")).to_contain_text("Compare oak with {{steel}} in 50 words.")
    dialog.get_by_role("button", name="Use").click()
    expect(me.page.locator(".chip")).to_contain_text("Compare two")
    me.page.get_by_role("button", name="Send").click()
    expect(me.last.locator(".prose")).to_contain_text("Compare oak with {{steel}} in 50 words.")


def test_analytics_shows_the_numbers_just_made(me: Visitor, gateway: Gateway) -> None:
    me.model(GROQ)
    me.ask("one")
    me.ask("two")
    me.model(GEMINI)
    me.ask("three")
    me.page.get_by_role("link", name="Analytics").click()
    facts = me.page.locator(".facts-row")
    expect(facts.locator("div", has_text="Requests").locator("dd")).to_have_text("3")
    table = me.page.get_by_role("region", name="By model")
    expect(table.get_by_role("row", name=re.compile(GROQ)).get_by_role("cell").first).to_have_text("2")
    expect(table.get_by_role("row", name=re.compile(GEMINI)).get_by_role("cell").first).to_have_text("1")
    expect(me.page.locator(".plot canvas")).to_have_count(4)


def test_an_admin_adds_a_model_and_chats_with_it(admin: Visitor, gateway: Gateway) -> None:
    admin.page.get_by_role("link", name="Administration").click()
    admin.page.get_by_role("button", name="Add a model").click()
    dialog = admin.page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("hallway-1")
    dialog.get_by_label("Provider").fill("corp")
    dialog.get_by_label("Address").fill(f"{gateway.upstream.url}/corp/v1")
    dialog.get_by_label("Key", exact=True).fill("corp-key")
    dialog.get_by_label("USD a million tokens in").fill("1")
    dialog.get_by_label("USD a million tokens out").fill("2")
    dialog.get_by_role("button", name="Save").click()
    admin.toast("Saved")
    expect(admin.page.get_by_role("row", name=re.compile("hallway-1"))).to_contain_text("available")
    admin.page.get_by_role("button", name="Actions for hallway-1").click()
    admin.page.get_by_role("menuitem", name="Test call").click()
    admin.toast("hallway-1 answered in")
    admin.go("/")
    admin.model("hallway-1")
    answer = admin.ask("Is there a hallway?")
    expect(answer.locator(".facts")).to_contain_text("corp")


def test_an_api_key_is_made_shown_once_works_and_is_revoked(me: Visitor, gateway: Gateway) -> None:
    me.go("/app/settings/keys")
    me.page.get_by_role("button", name="New key").click()
    dialog = me.page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("laptop")
    dialog.get_by_label("Requests a minute").fill("7")
    dialog.get_by_role("button", name="Make the key").click()
    key = me.page.get_by_test_id("new-key").inner_text()
    bearer = {"Authorization": f"Bearer {key}"}
    assert gateway.get("/api/profile", headers=bearer).json()["data"]["username"] == me.name
    me.page.get_by_role("button", name="I have it").click()
    row = me.page.get_by_role("row", name=re.compile("laptop"))
    expect(row).to_contain_text("7 requests/min")
    assert key not in me.page.content()
    row.get_by_role("button", name="Revoke laptop").click()
    me.page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_have_count(0)
    assert gateway.get("/api/profile", headers=bearer).status_code == 401


def test_an_admin_bounds_a_user_and_finds_it_in_the_audit(visit: Visit, gateway: Gateway) -> None:
    user = visit()
    user.register()
    admin = visit()
    admin.sign_in("admin", ADMIN_PASSWORD)
    admin.go("/app/admin/users")
    admin.page.get_by_role("button", name=f"Edit {user.name}").click()
    dialog = admin.page.get_by_role("dialog")
    dialog.get_by_label("Budget (USD)").fill("0")
    dialog.get_by_role("button", name="Save").click()
    expect(admin.page.get_by_role("row", name=re.compile(user.name))).to_contain_text("$0 left of $0")
    user.model(GROQ)
    user.type("May I?")
    expect(user.last.locator(".ending")).to_contain_text("The budget is used up")
    admin.go("/app/admin/audit")
    expect(admin.page.get_by_role("row", name=re.compile("user.change")).first).to_contain_text("budget_amount: – → 0")


@pytest.mark.parametrize("path", ["models", "provider-keys", "users", "keys", "budget", "routing", "audit", "config"])
def test_a_user_finds_no_administration(path: str, me: Visitor) -> None:
    expect(me.page.get_by_role("link", name="Administration")).to_have_count(0)
    me.go(f"/app/admin/{path}")
    expect(me.page.get_by_text("This is for admins")).to_be_visible()
