"""Refresh tokens: each serves once, a repeat at once is forgiven, a later one is a theft."""

from __future__ import annotations

from dataclasses import dataclass

from app.domain.accounts import Family

GRACE_MS = 10_000
"""How long a used token still gets the pair that it was exchanged for: two tabs, a reply that was lost."""

_REMEMBERED = 32


@dataclass(frozen=True, slots=True)
class Rotation:
    """What showing a refresh token leads to.

    kind: fresh (the family moves on), repeat (the successor once more), dead (refused as it stands), reuse (a token
    used long ago: the family ends). generation, minted_ms: of the pair that is handed out.
    """

    kind: str
    generation: int = 0
    minted_ms: int = 0
    used: tuple[tuple[int, int], ...] = ()


def rotate(family: Family, generation: int, now_ms: int) -> Rotation:
    """Decide over the token of `generation`, shown at `now_ms` (unix milliseconds)."""
    if family.dead or generation > family.generation:
        return Rotation("dead")
    recent = tuple(use for use in family.used if now_ms - use[1] <= GRACE_MS)
    if generation == family.generation:
        used = (*recent, (generation, now_ms))[-_REMEMBERED:]
        return Rotation("fresh", generation + 1, now_ms, used)
    for used_generation, used_ms in recent:
        if used_generation == generation:
            return Rotation("repeat", generation + 1, used_ms, family.used)
    return Rotation("reuse")
