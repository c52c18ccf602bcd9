"""Time. Durations by the monotonic clock, instants in UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime

monotonic = time.monotonic


def utcnow() -> datetime:
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds: 2026-11-21T13:52:29.123Z. A naive moment (SQLite) is read as UTC."""
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
