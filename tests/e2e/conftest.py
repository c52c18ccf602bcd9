"""A browser on the page of a real server whose providers are emulated. Without Chromium these tests are skipped."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.e2e.visitor import Visitor
from tests.journeys.gateway import Gateway
from tests.journeys.real_stores import owed
from tests.providers.fixtures import *  # noqa: F403
from tests.providers.fixtures import EmulatedProviders

ADMIN_PASSWORD = "Passw0rd-of-the-tests"
#: Nothing of Chromium's own may go out: a request to another host is to be the page's doing.
QUIET = [
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
]
Visit = Callable[..., Visitor]
# A machine that has more to do than this is slow, not wrong.
expect.set_options(timeout=15_000)


def stretched() -> float:
    """How much longer everything takes while more wants to run than there are cores; 1 on a quiet machine."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        owed("no Chromium: `make test-e2e` installs Debian's, or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield found
        found.close()


@pytest.fixture(scope="session")
def house(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders
) -> Iterator[Gateway]:
    """The embedded service, once for all tests of the page."""
    env = {"ADMIN_PASSWORD": ADMIN_PASSWORD, "CACHE": "app"}
    with Gateway(tmp_path_factory.mktemp("page"), upstream_process, env | {"MEMORY_ENABLED": "true"}) as gateway:
        yield gateway


@pytest.fixture
def gateway(house: Gateway, upstream: EmulatedProviders) -> Iterator[Gateway]:
    yield house
    house.recover()


@pytest.fixture
def visit(browser: Browser, gateway: Gateway) -> Iterator[Visit]:
    """Opens the page in a browser profile of its own; options are those of Playwright's `new_context`.

    Afterwards nothing may have been asked of another host, and the page's own script may not have failed."""
    visitors: list[Visitor] = []

    def open_one(url: str | None = None, **options: object) -> Visitor:
        visitors.append(Visitor(browser, url or gateway.url, **options))
        return visitors[-1]

    yield open_one
    for visitor in visitors:
        visitor.close()
    for visitor in visitors:
        assert visitor.strangers == []
        assert visitor.mishaps == []


@pytest.fixture
def me(visit: Visit) -> Visitor:
    """A new user, signed in."""
    visitor = visit()
    visitor.register()
    return visitor


@pytest.fixture(scope="module")
def signed_in(browser: Browser, house: Gateway) -> Iterator[Visitor]:
    """One for all tests of a file that leave nothing behind."""
    visitor = Visitor(browser, house.url)
    visitor.register()
    yield visitor
    visitor.close()
    assert visitor.strangers == []
    assert visitor.mishaps == []


@pytest.fixture
def admin(visit: Visit) -> Visitor:
    visitor = visit()
    visitor.sign_in("admin", ADMIN_PASSWORD)
    return visitor
