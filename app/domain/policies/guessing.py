"""How long one who guessed wrong has to wait."""

from __future__ import annotations

from collections.abc import Sequence

WINDOW_MS = 15 * 60 * 1000
FIRST_WAIT_MS = 15_000
NAME_LIMIT = 5
ADDRESS_LIMIT = 60


def wait_ms(misses: Sequence[int], now_ms: int, limit: int) -> int:
    """Milliseconds until the next try is heard, 0 for now.

    misses: when the misses were, oldest first. From the `limit`-th within 15 minutes on the wait is 15 s after the
    last miss and doubles with each further one, up to the window itself: a name is never locked for good, and tries
    during the wait do not lengthen it.
    """
    recent = [at for at in misses if now_ms - at < WINDOW_MS]
    if len(recent) < limit:
        return 0
    wait = min(FIRST_WAIT_MS << min(len(recent) - limit, 16), WINDOW_MS)
    return max(recent[-1] + wait - now_ms, 0)
