"""What breaks in the middle of an answer: row 10.7 of the fault list. One question, one answer, one charge."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import Visit
from tests.e2e.visitor import PASSWORD, Visitor
from tests.e2e.wire import Wire
from tests.journeys.gateway import GROQ, Gateway, soon
from tests.providers.fixtures import EmulatedProviders

SLOW = "chunks-300+tick-20"


def _rows(gateway: Gateway, user: str) -> list[dict[str, Any]]:
    """What the ledger has of a user's chats, oldest first."""
    query = "SELECT r.* FROM requests r JOIN users u ON u.id = r.user_id WHERE u.username = :user ORDER BY r.prompt_id"
    return gateway.sql(query, user=user)


def test_fault_10_07_a_reload_in_mid_stream_shows_what_came_and_that_it_broke(me: Visitor, gateway: Gateway) -> None:
    gateway.behave(SLOW)
    me.model(GROQ)
    me.type("a long one")
    expect(me.last.locator(".prose")).to_contain_text("token token")
    me.page.reload()
    expect(me.last).to_have_attribute("data-state", "client_gone")
    expect(me.last.locator(".typed")).to_have_text("a long one")
    expect(me.last.locator(".prose")).to_contain_text("token")
    expect(me.last.locator(".ending")).to_contain_text("Stopped here")
    expect(me.exchanges).to_have_count(1)
    assert [row["state"] for row in _rows(gateway, me.name)] == ["client_gone"]


def test_fault_10_07_a_reload_before_the_first_word_gives_the_question_back(me: Visitor, gateway: Gateway) -> None:
    gateway.behave("slow-1500")
    me.model(GROQ)
    me.type("not yet")
    expect(me.last.locator(".thinking")).to_be_visible()
    me.page.reload()
    field = me.page.get_by_label("Message", exact=True)
    expect(field).to_have_value("not yet")
    expect(me.page.locator(".composer .notice-line")).to_contain_text("counts once")
    gateway.behave("healthy")
    me.page.get_by_role("button", name="Send").click()
    expect(me.last.locator(".prose")).to_contain_text("Answer to: not yet")
    rows = _rows(gateway, me.name)
    assert [row["state"] for row in rows].count("complete") == 1
    assert sum(row["completion_tokens"] > 0 for row in rows) == 1


def test_fault_10_07_a_second_tab_says_that_another_answers_and_shows_it_afterwards(
    me: Visitor, gateway: Gateway
) -> None:
    me.model(GROQ)
    me.ask("first")
    other = me.tab()
    other.goto(me.page.url)
    expect(other.locator(".exchange")).to_have_count(1)
    gateway.behave("chunks-40+tick-40")
    me.type("second")
    expect(other.get_by_text("being answered in another tab")).to_be_visible()
    expect(me.last.locator(".facts")).to_be_visible()
    expect(other.locator(".exchange")).to_have_count(2)
    expect(other.get_by_text("being answered in another tab")).to_have_count(0)
    assert len(_rows(gateway, me.name)) == 2


@pytest.fixture
def wire(gateway: Gateway) -> Iterator[Wire]:
    found = Wire(gateway.port)
    yield found
    found.close()


def test_fault_10_07_a_wire_cut_in_mid_stream_is_told_and_the_rest_is_looked_up(
    visit: Visit, gateway: Gateway, wire: Wire
) -> None:
    me = visit(wire.url)
    me.register()
    gateway.behave(SLOW)
    me.model(GROQ)
    me.type("a long one")
    expect(me.last.locator(".prose")).to_contain_text("token token")
    wire.cut()
    expect(me.last).to_have_attribute("data-state", "lost")
    expect(me.page.locator(".banner.down")).to_be_visible()
    expect(me.page.get_by_role("button", name="Send")).to_be_disabled()
    wire.mend()
    me.page.get_by_role("button", name="Try now").click()
    expect(me.page.locator(".banner.down")).to_have_count(0)
    expect(me.last).to_have_attribute("data-state", "client_gone")
    assert [row["state"] for row in _rows(gateway, me.name)] == ["client_gone"]


def test_fault_10_07_a_reply_that_was_lost_is_asked_for_again_and_stands_once(
    visit: Visit, gateway: Gateway, wire: Wire
) -> None:
    me = visit(wire.url)
    me.register()
    me.model(GROQ)
    me.ask("warm up")
    wire.loses, wire.losses = b"POST /llm/chat", 20  # the browser itself asks again on each connection it has
    me.type("did you get this?")
    expect(me.last.locator(".ending")).to_contain_text("cannot be reached")
    soon(lambda: len(_rows(gateway, me.name)) >= 2)
    wire.losses = 0
    me.last.get_by_role("button", name="Ask again").click()
    expect(me.last.locator(".prose")).to_contain_text("Answer to: did you get this?")
    expect(me.exchanges).to_have_count(2)
    me.page.reload()
    expect(me.exchanges).to_have_count(2)
    # What a lost reply had of its answer before the server noticed was charged, all of it on a quick machine, and is
    # replaced by the one that came.
    assert [row["state"] for row in _rows(gateway, me.name)].count("complete") in (2, 3)


def test_fault_10_07_the_browsers_clock_a_day_off_changes_nothing(visit: Visit, gateway: Gateway) -> None:
    for hours in (-25, 25):
        me = visit()
        me.context.add_init_script(
            f"{{ const Real = Date; const off = {hours} * 3600e3; globalThis.Date = class extends Real {{"
            "constructor(...args) { super(...(args.length ? args : [Real.now() + off])); }"
            "static now() { return Real.now() + off; } }; }"
        )
        renewals: list[str] = []
        me.page.on(
            "request", lambda request, seen=renewals: seen.append(request.url) if "refresh" in request.url else None
        )
        me.register()
        me.ask("what time is it?")
        me.page.reload()
        me.is_in()
        expect(me.page.get_by_role("navigation", name="Conversations")).to_contain_text("what time is it?")
        me.page.get_by_role("link", name="Analytics").click()
        expect(me.page.locator(".facts-row div", has_text="Requests").locator("dd")).to_have_text("1")
        assert sum("refresh" in url for url in renewals) <= 3  # one a load of the page


def test_tokens_that_ran_out_are_renewed_quietly_and_two_tabs_do_not_fight(visit: Visit) -> None:
    me = visit()
    me.register()
    other = me.tab()
    other.goto(me.url)
    expect(other.locator(".composer")).to_be_visible()
    for page in (me.page, other):
        # A token that the server refuses is what an old one is.
        page.route("**/api/conversations?*", _refused_once(), times=1)
    for page in (me.page, other):
        page.get_by_label("Search conversations").fill("x")
    expect(me.page.get_by_text("No conversation has these words")).to_be_visible()
    expect(other.get_by_text("No conversation has these words")).to_be_visible()
    me.ask("still here")


def _refused_once() -> Any:
    error = '{"status":"error","error":{"code":"unauthorized","message":"expired","details":{}}}'
    return lambda route: route.fulfill(status=401, content_type="application/json", body=error)


def test_fault_10_07_a_server_that_stops_and_starts_again_is_waited_for(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, upstream: EmulatedProviders
) -> None:
    with Gateway(tmp_path_factory.mktemp("stopped"), upstream) as gateway:
        me = Visitor(browser, gateway.url)
        me.register()
        gateway.behave("chunks-2000+tick-20")
        me.model(GROQ)
        me.type("a long one")
        expect(me.last.locator(".prose")).to_contain_text("token token")
        gateway.server.stop()
        expect(me.page.locator(".banner.down")).to_be_visible()
        expect(me.last.locator(".prose")).to_contain_text("token token")  # what is there stays
        gateway.server.start()
        expect(me.page.locator(".banner.down")).to_have_count(0, timeout=20_000)
        expect(me.last).not_to_have_attribute("data-state", re.compile("lost|answering"), timeout=10_000)
        expect(me.last.locator(".ending")).to_be_visible()
        gateway.behave("healthy")
        me.last.get_by_role("button", name="Ask again").click()
        expect(me.last.locator(".prose")).to_contain_text("Answer to: a long one")
        states = [row["state"] for row in _rows(gateway, me.name)]
        assert len(states) == 2
        assert states[-1] == "complete"
        me.close()
        assert me.mishaps == []


def test_a_slow_answer_of_the_server_is_told(me: Visitor) -> None:
    me.page.clock.install()
    held: list[Any] = []
    me.page.route("**/api/conversations?*", lambda route: held.append(route))
    me.page.get_by_label("Search conversations").fill("x")
    me.page.clock.run_for(9000)
    expect(me.page.locator(".banner.slow")).to_be_visible()
    for route in held:
        route.continue_()
    expect(me.page.locator(".banner.slow")).to_have_count(0)


def test_a_password_is_never_part_of_an_address(visit: Visit) -> None:
    me = visit()
    seen: list[str] = []
    me.page.on("request", lambda request: seen.append(request.url))
    me.register()
    assert all(PASSWORD not in url for url in seen)
