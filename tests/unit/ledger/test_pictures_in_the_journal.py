"""What a crash leaves of a picture: its tokens, at the price by which it was held."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from app.domain.events import Picture
from app.domain.money import Price
from app.domain.policies.lease import lease_price
from app.services.ledger.journal import Asked, Journal, Opening, left_in
from app.services.ledger.recovery import crashed

SOLD = Price(input=300_000_000, output=2_500_000_000, image=38_700_000)
BEGAN = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_a_picture_that_came_before_the_crash_is_charged(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 64)
    asked = Asked("draws", "gemini", lease_price(SOLD, "picture"), begun=True)
    trail = journal.begin(Opening("p", "u", None, "short", asked, BEGAN, 10, None, (), 0))
    before = crashed(left_in(_all(tmp_path))[0], BEGAN)
    trail.flowed(Picture(b"\x89PNG", "image/png"))
    after = crashed(left_in(_all(tmp_path))[0], BEGAN)
    assert before.charge == 10 * 300
    assert (after.charge or 0) - (before.charge or 0) in (38_700_000, 38_700_001)
    assert after.usage.completion == 1290


def _all(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())
