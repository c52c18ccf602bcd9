"""Kills workers at fifty random moments under load, then holds the ledger against what the emulated provider sent.

    python bench/crash.py          prints how the chats ended
    python bench/crash.py 200 7    so many kills, with that seed

Wants Redis and PostgreSQL (TEST_REDIS_URL, TEST_DATABASE_URL). Exits with 1 where an accepted chat has no row, two
rows, or a charge that is more than a slice away from what was sent.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.journeys.crashes import check_books, killed_at_random, settings
from tests.journeys.gateway import Gateway
from tests.journeys.real_stores import own_postgres, own_redis
from tests.providers.fixtures import running_providers

KILLS = 50


def main() -> None:
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else KILLS
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1_000_000)
    began = time.monotonic()
    with (
        running_providers() as upstream,
        own_redis() as redis_url,
        own_postgres() as database_url,
        tempfile.TemporaryDirectory() as folder,
        Gateway(Path(folder), upstream, settings(redis_url, database_url)) as gateway,
    ):
        load = killed_at_random(gateway, upstream, kills, random.Random(seed))
        try:
            states = check_books(gateway, upstream, load)
        except AssertionError as fault:
            sys.exit(f"seed {seed}: {fault}")
    print(f"kills {kills}, seed {seed}, {len(load.said)} chats in {time.monotonic() - began:.0f} s: {states}")


if __name__ == "__main__":
    main()
