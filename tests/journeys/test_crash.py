"""Room 5.13: workers die at random moments under load; the ledger knows each chat once and what it cost."""

from __future__ import annotations

import random
from pathlib import Path

from tests.journeys.crashes import check_books, killed_at_random, settings
from tests.journeys.gateway import Gateway
from tests.journeys.real_stores import own_postgres, own_redis
from tests.providers.fixtures import EmulatedProviders


def test_fault_5_13_workers_killed_at_random_moments_leave_one_row_a_chat_charged_what_was_sent(
    tmp_path: Path, upstream: EmulatedProviders
) -> None:
    with (
        own_redis() as redis_url,
        own_postgres() as database_url,
        Gateway(tmp_path / "root", upstream, settings(redis_url, database_url)) as gateway,
    ):
        load = killed_at_random(gateway, upstream, 10, random.Random(5))
        states = check_books(gateway, upstream, load)
        assert states["crashed"] > 0
        journals = list((gateway.server.folder / "instance" / "journal").glob("*.journal"))
        assert len(journals) <= 2
