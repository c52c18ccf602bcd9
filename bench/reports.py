"""How long reports take over a million chats: python bench/reports.py [DATABASE_URL ...]

Fills the rollups of an empty database (a SQLite file of its own where no URL is given) as a million chats would have
left them, and prints the best and the worst of some askings in milliseconds.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sqlalchemy import insert

from app.domain.policies import histogram
from app.models.rollups import Rollup
from app.repositories.database import Database
from app.repositories.histograms import pack
from app.repositories.migrate import upgrade
from app.repositories.reports import Reports

CHATS, USERS, DAYS = 1_000_000, 50, 90
MODELS = ("llama-3.1-8b-instant", "gemini-2.0-flash", "gpt-6-luna")
LAST = date(2026, 11, 21)
ASKED = 7


def fill(database: Database, chats: int = CHATS) -> int:
    """Store the sums of so many chats of 50 users in 90 days; how many rows they take."""
    rows = list(_rows(random.Random(1), chats, pack if database.is_sqlite else Decimal))
    for start in range(0, len(rows), 500):
        some = rows[start : start + 500]
        database.write(lambda session, some=some: session.execute(insert(Rollup), some), timeout=30)  # type: ignore[misc]
    return len(rows)


def _rows(chance: random.Random, chats: int, stored: Callable[[int], Any]) -> Iterator[dict[str, Any]]:
    each = chats // (USERS * DAYS * len(MODELS))
    for user in range(USERS):
        for day in range(DAYS):
            for model in MODELS:
                latency, ttft = ([int(chance.lognormvariate(mean, 1)) for _ in range(each)] for mean in (7.3, 5.8))
                yield {
                    "user_id": f"01a1fe7c-fd55-7522-b404-{user:012}",
                    "day": (LAST - timedelta(days=day)).isoformat(),
                    "key_id": "" if user % 2 else f"01a1fe7c-fd55-7522-b405-{user:012}",
                    "model": model,
                    "requests": each,
                    "cached": each // 10,
                    "fallback": each // 50,
                    "prompt_tokens": each * 400,
                    "completion_tokens": each * 200,
                    "cached_tokens": 0,
                    "reasoning_tokens": 0,
                    "charge": each * 120_000,
                    "latency_ms": sum(latency),
                    "latency": stored(sum(map(histogram.one, latency))),
                    "ttft": stored(sum(map(histogram.one, ttft))),
                }


def timings(database: Database, clock: Callable[[], float] = time.perf_counter) -> dict[str, tuple[float, float]]:
    """Milliseconds by this clock, best and worst, of each report of the whole time."""
    reports, first, last = Reports(database), (LAST - timedelta(days=DAYS)).isoformat(), LAST.isoformat()
    one = f"01a1fe7c-fd55-7522-b404-{0:012}"
    asked: dict[str, Callable[[], object]] = {
        f"usage by {group}, everybody's": lambda group=group: reports.usage(group, first, last, None)  # type: ignore[misc]
        for group in ("model", "day", "key", "user")
    }
    asked["usage by model, one user's"] = lambda: reports.usage("model", first, last, one)
    asked["stats, everybody's"] = lambda: reports.totals(None)
    return {name: _timed(ask, clock) for name, ask in asked.items()}


def _timed(ask: Callable[[], object], clock: Callable[[], float]) -> tuple[float, float]:
    taken = []
    for _ in range(ASKED):
        began = clock()
        ask()
        taken.append((clock() - began) * 1000)
    return min(taken), max(taken)


def main(urls: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for url in urls or [f"sqlite:///{folder}/reports.db"]:
            upgrade(url)
            database = Database(url, timeout=30)
            print(f"{database.url.get_backend_name()}: {CHATS:,} chats in {fill(database):,} rows")
            for name, (best, worst) in timings(database).items():
                print(f"  {name:30} {best:6.1f} ms  (worst {worst:.1f})")
            database.close()


if __name__ == "__main__":
    main(sys.argv[1:])
