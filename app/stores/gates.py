"""The limits that bind a chat as the scripts want them, and what the scripts say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.caller import Bound, Quota, Standing
from app.domain.errors import DomainError, InvalidRequest, RateLimited
from app.stores.scripts import Reply

MOST_REMEMBERED = 20_000
WORDS = {"r": "requests", "t": "tokens", "c": "concurrency"}
SHOWN = {"r": "requests a minute", "t": "tokens a minute", "c": "requests at once"}
OWNERS = {"key": "this key's", "user": "this user's", "model": "the model's", "global": "the installation's"}


@dataclass(frozen=True, slots=True)
class Gates:
    """keys, args, kinds: of all, in the order of `bounds`, and the bound that each is of; held, held_kinds: of those
    that a chat holds until it settles."""

    bounds: tuple[Bound, ...]
    keys: tuple[str, ...]
    args: tuple[str | int, ...]
    kinds: str
    owners: tuple[Bound, ...]
    held: tuple[str, ...]
    held_kinds: str

    @classmethod
    def of(cls, bounds: tuple[Bound, ...]) -> Gates:
        rows = [row for bound in bounds for row in _rows(bound)]
        held = [(key, kind) for _, kind, key, _ in rows if kind != "r"]
        return cls(
            bounds,
            tuple(key for _, _, key, _ in rows),
            tuple(arg for _, kind, _, limit in rows for arg in (kind, limit)),
            "".join(kind for _, kind, _, _ in rows),
            tuple(bound for bound, _, _, _ in rows),
            tuple(key for key, _ in held),
            "".join(kind for _, kind in held),
        )

    def refusal(self, verdict: Sequence[int]) -> DomainError:
        """The error that the script's verdict means."""
        place = verdict[1] - 1
        scope, kind, limit = self.owners[place].scope, str(self.args[2 * place]), self.args[2 * place + 1]
        details = {"limit": scope, "reason": WORDS[kind]}
        if verdict[0] < 0:
            return InvalidRequest(
                f"the request is larger than {OWNERS[scope]} limit of {limit} tokens a minute", details=details
            )
        wait = verdict[2] / 1000
        refused = RateLimited(
            f"{OWNERS[scope]} limit of {limit} {SHOWN[kind]} is reached", details=details, retry_after=wait
        )
        quota = Quota(int(limit), 0, wait)
        refused.standing = Standing(quota if kind == "r" else None, quota if kind == "t" else None)
        return refused


class GateBook:
    """Works the gates of the same bounds out once."""

    def __init__(self) -> None:
        self._known: dict[int, Gates] = {}

    def of(self, bounds: tuple[Bound, ...]) -> Gates:
        known = self._known.get(id(bounds))
        if known is not None and known.bounds is bounds:
            return known
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        made = self._known[id(bounds)] = Gates.of(bounds)
        return made


def standing_of(verdict: Reply) -> Standing:
    return Standing(_quota(verdict[2]), _quota(verdict[3]))


def _quota(row: Sequence[int]) -> Quota | None:
    return Quota(row[0], row[1], row[2] / 1000) if row else None


def _rows(bound: Bound) -> list[tuple[Bound, str, str, int]]:
    """Bound, kind, key and limit of each gate."""
    limits, name = bound.limits, f"{bound.scope}:{bound.id}"
    rows = (
        ("r", f"v1:rl:{name}", limits.rpm),
        ("t", f"v1:rt:{name}", limits.tpm),
        ("c", f"v1:cc:{name}", limits.concurrency),
    )
    return [(bound, kind, key, limit) for kind, key, limit in rows if limit is not None]
