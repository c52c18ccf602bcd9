"""README's pictures, made of the running page; SCREENSHOTS=1 puts them into docs/screenshots."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import text

from tests.e2e.author import Author
from tests.e2e.conftest import ADMIN_PASSWORD
from tests.e2e.visitor import Visitor
from tests.journeys.gateway import Gateway
from tests.journeys.server import ROOT
from tests.providers.fixtures import EmulatedProviders

LARGEST = 150 * 1024
MERGING = """Sort the intervals by their start, then sweep once: each **extends** the last one or **begins** a new one.

```python
def merge(intervals):
    merged = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return merged
```

| step | cost |
| --- | --- |
| sort | `O(n log n)` |
| sweep | `O(n)` |
"""
TOUCHING = "They do, because of `<=`: `[1, 2]` and `[2, 5]` become `[1, 5]`. With `<` they would stay apart."
DINNERS = """| day | dish | minutes |
| --- | --- | --- |
| Mon | Lemon pasta | 20 |
| Tue | Shakshuka | 25 |
| Wed | Miso soup with rice | 15 |

Buy **eggs**, **lemons** and **miso**; the rest you will have."""
ANSWERS = {"touch": TOUCHING, "intervals": MERGING, "dinner": DINNERS}


@pytest.fixture(scope="module")
def shown(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, upstream_process: EmulatedProviders
) -> Iterator[Gateway]:
    """A house of its own, with nothing in it but what is to be seen."""
    with Author(ANSWERS) as author:
        env = {"ADMIN_PASSWORD": ADMIN_PASSWORD, "GROQ_BASE_URL": author.url, "ADMIN_USERNAME": "mira"}
        with Gateway(tmp_path_factory.mktemp("shown"), upstream_process, env) as gateway:
            yield gateway


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = ROOT / "docs" / "screenshots" if os.environ.get("SCREENSHOTS") == "1" else tmp_path_factory.mktemp("shots")
    found.mkdir(parents=True, exist_ok=True)
    return found


def _take(visitor: Visitor, path: Path) -> None:
    visitor.page.evaluate("document.fonts.ready.then(() => true)")
    visitor.page.mouse.move(0, 0)
    visitor.page.screenshot(path=path, animations="disabled", caret="hide")
    assert path.stat().st_size <= LARGEST
    visitor.close()
    assert visitor.mishaps == []


def test_the_chat(browser: Browser, shown: Gateway, folder: Path) -> None:
    visitor = Visitor(browser, shown.url, viewport={"width": 1280, "height": 860})
    visitor.sign_in("mira", ADMIN_PASSWORD)
    for question in ("Plan three quick dinners for two", "How do I merge overlapping intervals?"):
        visitor.go("/")
        visitor.ask(question)
    expect(visitor.page.locator("code.hljs")).to_be_visible()
    visitor.ask("Do intervals that only touch count as one?")
    visitor.page.get_by_role("button", name="Good answer").last.click()
    visitor.toast("Thanks")
    visitor.page.locator(".toast").get_by_role("button").click()
    visitor.page.evaluate("document.activeElement.blur()")
    _take(visitor, folder / "chat.png")


def test_the_phone_in_the_dark(browser: Browser, shown: Gateway, folder: Path) -> None:
    visitor = Visitor(
        browser, shown.url, viewport={"width": 390, "height": 780}, is_mobile=True, has_touch=True, color_scheme="dark"
    )
    visitor.sign_in("mira", ADMIN_PASSWORD)
    visitor.ask("Plan three quick dinners, please")
    _take(visitor, folder / "phone.png")


def test_the_analytics(browser: Browser, shown: Gateway, folder: Path) -> None:
    visitor = Visitor(browser, shown.url, viewport={"width": 1280, "height": 860})
    visitor.sign_in("mira", ADMIN_PASSWORD)
    for model in ("gemini-2.0-flash", "claude-haiku-5-5", "gpt-6-luna"):
        shown.say("hello", model=model)
    _write_a_month(shown)
    visitor.go("/app/analytics")
    expect(visitor.page.locator(".plot canvas")).to_have_count(4)
    _take(visitor, folder / "analytics.png")


def _write_a_month(gateway: Gateway) -> None:
    """Days before today like today, each a bit different: the sums that reports read."""
    chance = random.Random(7)
    rows = gateway.sql("SELECT * FROM rollups")
    today = datetime.now(UTC).date()
    with gateway.rows.begin() as connection:
        for ago in range(1, 30):
            for row in chance.sample(rows, chance.randint(2, len(rows))):
                times = chance.randint(4, 30)
                more = {name: row[name] * times for name in row if isinstance(row[name], int) and name != "id"}
                made = {**row, **more, "day": (today - timedelta(days=ago)).isoformat()}
                names = list(made)
                values = ", ".join(f":{name}" for name in names)
                connection.execute(text(f"INSERT INTO rollups ({', '.join(names)}) VALUES ({values})"), made)
