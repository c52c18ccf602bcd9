"""A person at the page: what they do with keyboard and mouse, and what the tests watch meanwhile."""

from __future__ import annotations

import re
import uuid
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, Route, expect

PASSWORD = "Passw0rd-x"
#: What Chromium writes of a reply that is no success, which tests ask for and the page shows; and of forms.
EXPECTED = re.compile(r"Failed to load resource|\[DOM\]|ERR_CONNECTION|ERR_NETWORK|ERR_INCOMPLETE|ERR_EMPTY")
#: Chromium also writes this of a text that is parsed to be cleaned, in a document where nothing runs or loads.
PARSED = re.compile(r"Executing inline event handler|Applying inline style|Setting the document's base URI")


class Visitor:
    """strangers: requests to other hosts. mishaps: errors of the page's script, dialogs, refusals by the policy.

    under_attack: texts with handlers and styles in them are cleaned, and the browser writes of each."""

    def __init__(self, browser: Browser, url: str, *, fenced: bool = True, **options: Any) -> None:
        self.url = url
        self.host = urlsplit(url).netloc
        self.strangers: list[str] = []
        self.mishaps: list[str] = []
        self.said: list[str] = []
        self.under_attack = False
        self.name = ""
        options.setdefault("viewport", {"width": 1280, "height": 800})
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(20_000)
        self.context.on("request", self._on_request)
        # Whatever leaves for another host goes nowhere: it is only counted. (A fence also shuts the browser's cache.)
        if fenced:
            self.context.route(re.compile(rf"^https?://(?!{re.escape(self.host)})"), _nowhere)
        self.page = self.tab()

    def tab(self) -> Page:
        """Another tab of the same browser profile."""
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.mishaps.append(f"script: {error}"))
        page.on("console", self._on_console)
        page.on("dialog", lambda dialog: (self.mishaps.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        return page

    def close(self) -> None:
        self.context.close()

    # --- coming and going -----------------------------------------------------------------------------------------

    def go(self, path: str) -> None:
        self.page.goto(self.url + path)

    def register(self, name: str | None = None) -> None:
        self.name = name or "u" + uuid.uuid4().hex[:10]
        self.go("/app/register")
        self.page.get_by_label("User name").fill(self.name)
        self.page.get_by_label("E-mail").fill(f"{uuid.uuid4().hex[:10]}@example.com")
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Register").click()
        self.is_in()

    def sign_in(self, name: str, password: str = PASSWORD) -> None:
        self.name = name
        self.go("/")
        self.page.get_by_label("User name or e-mail").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        self.is_in()

    def is_in(self) -> None:
        expect(self.page.locator(".composer")).to_be_visible()

    def sign_out(self) -> None:
        self.page.get_by_role("button", name="Account and theme").click()
        self.page.get_by_role("menuitem", name="Sign out").click()
        expect(self.page.get_by_role("button", name="Sign in")).to_be_visible()

    def bearer(self) -> str:
        """The header of the page's own calls, as one of them has it."""
        with self.page.expect_request(re.compile("/api/conversations")) as told:
            self.page.reload()
        return str(told.value.headers["authorization"])

    # --- chatting -------------------------------------------------------------------------------------------------

    def model(self, name: str) -> None:
        self.page.get_by_role("button", name=re.compile("^Model: ")).click()
        self.page.get_by_role("combobox", name="Model").fill(name)
        self.page.get_by_role("option", name=re.compile(re.escape(name))).first.click()

    def type(self, text: str) -> None:
        self.page.get_by_label("Message", exact=True).fill(text)
        self.page.keyboard.press("Enter")

    def ask(self, text: str) -> Locator:
        """Ask and wait for the whole answer; the exchange."""
        before = self.exchanges.count()
        self.type(text)
        made = self.exchanges.nth(before)
        expect(made.locator(".facts")).to_be_visible()
        return made

    @property
    def exchanges(self) -> Locator:
        return self.page.locator(".exchange")

    @property
    def last(self) -> Locator:
        return self.exchanges.last

    def conversation_id(self) -> str:
        self.page.wait_for_url(re.compile("/c/"))
        return urlsplit(self.page.url).path.removeprefix("/c/")

    def toast(self, text: str) -> None:
        expect(self.page.locator(".toast", has_text=text).last).to_be_visible()

    # --- watching -------------------------------------------------------------------------------------------------

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https") and parts.netloc != self.host:
            self.strangers.append(request.url)

    def _on_console(self, message: ConsoleMessage) -> None:
        self.said.append(message.text)
        if self.under_attack and PARSED.match(message.text):
            return
        if message.type == "error" and not EXPECTED.search(message.text):
            self.mishaps.append(f"console: {message.text}")


def _nowhere(route: Route) -> None:
    route.abort()
